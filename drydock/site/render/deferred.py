"""Parts of a page that are made when it is written, each from one node that carries its data until then.

A page has hundreds of captions and rows of evidence. As standard nodes they would be most of the nodes of the site, and
each node costs a build dozens of visits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from docutils import nodes
from markupsafe import Markup

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.builders import Builder

KEY: Final = "drydock_late"


class Deferred(Protocol):
    """What is shown in the place of a node. It is kept with the page, so it has to be picklable."""

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return it as HTML on the page `docname`, with links to what `builder` has."""

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return it as Markdown for the page `docname`, as the Markdown of its nodes would be."""

    def nodes(self) -> list[nodes.Node]:
        """Return it as standard nodes, for builders of other formats."""


def defer(part: Deferred) -> nodes.container:
    """Return a node that holds the place of `part`."""
    return nodes.container("", **{KEY: part})


def render_deferred(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the parts of one page where their places were held."""
    for node in [node for node in doctree.findall(nodes.container) if KEY in node]:
        part: Deferred = node[KEY]
        if app.builder.format == "html":
            node.replace_self(nodes.raw("", str(part.html(app.builder, docname)), format="html"))
        else:
            node.replace_self(part.nodes())


def setup(app: Sphinx) -> None:
    """Render the deferred parts when a page is written."""
    app.connect("doctree-resolved", render_deferred, priority=700)  # Markdown, at 600, needs their data
