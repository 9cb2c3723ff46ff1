"""Each page as Markdown beside it, for those who read with a program. Blocks, tables and evidence are in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from docutils import nodes
from sphinx import addnodes
from sphinx.environment.adapters.toctree import TocTree
from sphinx_design.tabs import sd_tab_label

from drydock.site.examples.publish import published_uri, publishes_files
from drydock.site.render.deferred import KEY, Deferred
from drydock.site.render.inline import code_span
from drydock.site.render.tables import markdown_table

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: What is not read: markup for the eye, and what others lead to.
_SILENT = (nodes.raw, nodes.comment, nodes.substitution_definition, nodes.target, addnodes.index)


def write(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write one page, before its parts are made into HTML."""
    if publishes_files(app.builder):
        place = app.outdir / f"{docname}.md"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(Page(app, docname).text(doctree), encoding="utf-8")


class Page:
    """One page on its way to Markdown."""

    def __init__(self, app: Sphinx, docname: str) -> None:
        self._builder = app.builder
        self._env = app.env
        self._docname = docname

    def text(self, doctree: nodes.document) -> str:
        """Return the page."""
        return "\n\n".join(self._blocks(doctree.children)) + "\n"

    def _blocks(self, found: Iterable[nodes.Node], level: int = 1) -> list[str]:
        return [text for node in found for text in self._block(node, level) if text]

    def _block(self, node: nodes.Node, level: int) -> list[str]:
        if isinstance(node, _SILENT):
            return []
        if isinstance(node, addnodes.toctree):
            return self._pages(node, level)
        if isinstance(node, nodes.section):
            title, *rest = node.children
            return [f"{'#' * level} {self._words(title)}", *self._blocks(rest, level + 1)]
        if isinstance(node, nodes.rubric) and "heading-level" in node:
            return [f"{'#' * node['heading-level']} {self._words(node)}"]
        if isinstance(node, nodes.literal_block):
            return [fenced(node.astext(), str(node.get("language", "")))]
        if isinstance(node, (nodes.bullet_list, nodes.enumerated_list)):
            marks = ("- " if isinstance(node, nodes.bullet_list) else f"{number}. " for number in range(1, 1000))
            items = [mark + self._indented(item, len(mark), level) for mark, item in zip(marks, node, strict=False)]
            return ["\n".join(items)]
        if isinstance(node, nodes.table):
            return [self._table(node)]
        if isinstance(node, nodes.definition_list_item):
            term, definition = node.children[0], node.children[-1]
            return [f"**{self._words(term)}**: {' '.join(self._blocks(definition.children, level))}"]
        if isinstance(node, (nodes.admonition, nodes.Admonition)):
            return ["\n".join(f"> {line}" for line in "\n\n".join(self._blocks(node.children, level)).split("\n"))]
        if isinstance(node, nodes.Element) and KEY in node:
            part: Deferred = node[KEY]
            return [part.markdown(self._builder, self._docname)]
        if isinstance(node, sd_tab_label):
            return [f"**{self._words(node)}**"]
        if isinstance(node, nodes.TextElement):
            return [self._words(node)]
        return self._blocks(node.children, level)

    def _pages(self, node: addnodes.toctree, level: int) -> list[str]:
        """Return the list of pages that a page shows; Sphinx makes it later than all the rest."""
        found = None if node.get("hidden") else TocTree(self._env).resolve(self._docname, self._builder, node)
        return self._blocks(found.children, level) if found else []

    def _indented(self, item: nodes.Node, width: int, level: int) -> str:
        return "\n\n".join(self._blocks(item.children, level)).replace("\n", "\n" + " " * width)

    def _table(self, node: nodes.table) -> str:
        return markdown_table([[self._cell(entry) for entry in row.children] for row in node.findall(nodes.row)])

    def _cell(self, entry: nodes.Node) -> str:
        return " ".join(self._blocks(entry.children)).replace("\n", " ")

    def _words(self, node: nodes.Node) -> str:
        return "".join(self._inline(child) for child in node.children)

    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            return node.astext().replace("\n", " ")
        if isinstance(node, _SILENT):
            return ""
        if isinstance(node, nodes.literal):
            return code_span(node.astext())
        if isinstance(node, nodes.reference) and "refuri" in node:
            return f"[{self._words(node)}]({_uri(node)})"
        if isinstance(node, nodes.inline) and "drydock_target" in node:
            uri = published_uri(self._builder, self._docname, node["drydock_target"])
            return f"[{self._words(node)}]({uri})"
        mark = next((mark for kind, mark in _MARKS.items() if isinstance(node, kind)), "")
        return f"{mark}{self._words(node)}{mark}"


_MARKS: Final[dict[type[nodes.Node], str]] = {nodes.emphasis: "*", nodes.strong: "**"}


def _uri(node: nodes.reference) -> str:
    """Return where a link leads: among the pages, to the other page as Markdown."""
    uri = str(node["refuri"])
    return re.sub(r"\.html(?=#|$)", ".md", uri) if node.get("internal") else uri


def fenced(text: str, language: str) -> str:
    """Return a block of code, in a fence that nothing in it closes."""
    ticks = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def setup(app: Sphinx) -> None:
    """Write each page as Markdown: after its parts are filled in (500), before they become HTML (700)."""
    app.connect("doctree-resolved", write, priority=600)
