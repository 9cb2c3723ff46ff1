"""Placeholders that are rendered when a page is written, so that doctrees stay small.

A page has hundreds of captions and rows of evidence. As standard nodes, they would be most of the site's nodes, and a
build visits each node dozens of times.
"""

from __future__ import annotations

from typing import Final, Protocol

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.builders import Builder

KEY: Final = "drydock_deferred"


class Deferred(Protocol):
    """A part that replaces its placeholder. It is pickled with the page."""

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return it as HTML for the page `docname`."""

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return it as Markdown for the page `docname`; other formats show this text."""


def defer(part: Deferred) -> nodes.container:
    """Return a placeholder for `part`."""
    return nodes.container("", **{KEY: part})


def render_deferred(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace the placeholders of one page."""
    for node in [node for node in doctree.findall(nodes.container) if KEY in node]:
        part: Deferred = node[KEY]
        if app.builder.format == "html":
            node.replace_self(nodes.raw("", str(part.html(app.builder, docname)), format="html"))
        else:
            node.replace_self(_text_nodes(part.markdown(app.builder, docname)))


def _text_nodes(text: str) -> list[nodes.Node]:
    """Return Markdown as text; a table or a list keeps its lines."""
    if "\n" in text:
        return [nodes.literal_block(text, text, language="text")]
    return [nodes.paragraph("", text)] if text else []


def drop_tooltips(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Leave the text of tooltips out of formats that would print it in the middle of a sentence."""
    if app.builder.format != "html":
        for node in [node for node in doctree.findall(nodes.abbreviation) if "drydock_tooltip" in node]:
            node.replace_self(nodes.inline("", node.astext()))


def setup(app: Sphinx) -> None:
    """Render the deferred parts when a page is written."""
    app.connect("doctree-resolved", render_deferred, priority=700)  # Markdown, at 600, needs their data
    app.connect("doctree-resolved", drop_tooltips)
