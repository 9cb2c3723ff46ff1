"""Each page as Markdown next to it, for programs, with its blocks, tables, and evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import singledispatchmethod
from typing import Final

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment.adapters.toctree import TocTree
from sphinx_design.tabs import sd_tab_label

from drydock import store
from drydock.site.examples.publish import published_uri, publishes_files
from drydock.site.render.deferred import KEY, Deferred
from drydock.site.render.inline import code_span
from drydock.site.render.tables import markdown_table

#: Inline markup for the eye, and what a link leads to.
_UNSEEN: Final = (nodes.raw, nodes.comment, nodes.substitution_definition, nodes.target, addnodes.index)


def write_page(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write one page, before its parts are made into HTML."""
    if publishes_files(app.builder):
        assert isinstance(app.builder, StandaloneHTMLBuilder)
        path = app.builder.get_output_path(docname).with_suffix(".md")
        store.write_text(path, Page(app, docname).text(doctree))


def markdown_uri(uri: str) -> str:
    """Return the address of the Markdown of the page at `uri`, which may be a folder, with its section."""
    page, hash_, section = uri.partition("#")
    page = f"{page}index.md" if page.endswith("/") or not uri else re.sub(r"\.html$", ".md", page)
    return f"{page}{hash_}{section}"


class Page:
    """One page on its way to Markdown."""

    def __init__(self, app: Sphinx, docname: str) -> None:
        self._builder = app.builder
        self._env = app.env
        self._docname = docname

    def text(self, doctree: nodes.document) -> str:
        """Return the page."""
        return "\n\n".join(self._blocks(doctree.children)) + "\n"

    def _blocks(self, children: Iterable[nodes.Node], level: int = 1) -> list[str]:
        return [text for node in children for text in self._block(node, level) if text]

    @singledispatchmethod
    def _block(self, node: nodes.Node, level: int) -> list[str]:
        """Return the Markdown of a node; of one without a method, that of its children."""
        return self._blocks(node.children, level)

    # Markup for the eye, and what a link leads to.
    @_block.register(nodes.raw)
    @_block.register(nodes.comment)
    @_block.register(nodes.substitution_definition)
    @_block.register(nodes.target)
    @_block.register(addnodes.index)
    def _nothing(self, node: nodes.Node, level: int) -> list[str]:
        return []

    @_block.register(nodes.TextElement)
    def _text(self, node: nodes.TextElement, level: int) -> list[str]:
        return [self._words(node)]

    @_block.register(nodes.section)
    def _section(self, node: nodes.section, level: int) -> list[str]:
        title, *rest = node.children
        return [f"{'#' * level} {self._words(title)}", *self._blocks(rest, level + 1)]

    @_block.register(nodes.rubric)
    def _rubric(self, node: nodes.rubric, level: int) -> list[str]:
        mark = f"{'#' * node['heading-level']} " if "heading-level" in node else ""
        return [f"{mark}{self._words(node)}"]

    @_block.register(nodes.literal_block)
    def _literal_block(self, node: nodes.literal_block, level: int) -> list[str]:
        return [fenced(node.astext(), str(node.get("language", "")))]

    @_block.register(nodes.bullet_list)
    @_block.register(nodes.enumerated_list)
    def _list(self, node: nodes.Element, level: int) -> list[str]:
        ordered = isinstance(node, nodes.enumerated_list)
        items = [(f"{number}. " if ordered else "- ", item) for number, item in enumerate(node.children, 1)]
        return ["\n".join(mark + self._indented(item, len(mark), level) for mark, item in items)]

    @_block.register(nodes.table)
    def _table(self, node: nodes.table, level: int) -> list[str]:
        return [markdown_table([[self._cell(entry) for entry in row.children] for row in node.findall(nodes.row)])]

    @_block.register(nodes.definition_list_item)
    def _definition(self, node: nodes.definition_list_item, level: int) -> list[str]:
        term, definition = node.children[0], node.children[-1]
        return [f"**{self._words(term)}**: {' '.join(self._blocks(definition.children, level))}"]

    @_block.register(nodes.admonition)
    @_block.register(nodes.Admonition)
    def _admonition(self, node: nodes.Element, level: int) -> list[str]:
        return ["\n".join(f"> {line}" for line in "\n\n".join(self._blocks(node.children, level)).split("\n"))]

    @_block.register(nodes.container)
    def _container(self, node: nodes.container, level: int) -> list[str]:
        part: Deferred | None = node.get(KEY)
        return [part.markdown(self._builder, self._docname)] if part else self._blocks(node.children, level)

    @_block.register(sd_tab_label)
    def _tab(self, node: nodes.TextElement, level: int) -> list[str]:
        return [f"**{self._words(node)}**"]

    @_block.register(addnodes.toctree)
    def _toctree(self, node: addnodes.toctree, level: int) -> list[str]:
        """Return the list of pages that a page shows; Sphinx fills it in later than the rest."""
        pages = None if node.get("hidden") else TocTree(self._env).resolve(self._docname, self._builder, node)
        return self._blocks(pages.children, level) if pages else []

    def _indented(self, item: nodes.Node, width: int, level: int) -> str:
        return "\n\n".join(self._blocks(item.children, level)).replace("\n", "\n" + " " * width)

    def _cell(self, entry: nodes.Node) -> str:
        return " ".join(self._blocks(entry.children)).replace("\n", " ")

    def _words(self, node: nodes.Node) -> str:
        return "".join(self._inline(child) for child in node.children)

    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            return node.astext().replace("\n", " ")
        if isinstance(node, _UNSEEN):
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
    return markdown_uri(uri) if node.get("internal") else uri


def fenced(text: str, language: str) -> str:
    """Return a block of code, in a fence that nothing in it closes."""
    ticks = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def setup(app: Sphinx) -> None:
    """Write each page as Markdown: after its parts are filled in (500), before they become HTML (700)."""
    app.connect("doctree-resolved", write_page, priority=600)
