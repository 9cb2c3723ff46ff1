"""Directives whose content rests on all pages: it is filled in when the page is written, which each build does."""

from __future__ import annotations

from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from drydock.site.pages import all_pages, current_page

KEY: Final = "drydock_whole_site"


class WholeSiteDirective(SphinxDirective):
    """A directive that leaves a placeholder."""

    def run(self) -> list[nodes.Node]:
        """Return the placeholder."""
        current_page(self.env).census = True
        return [nodes.container("", **{KEY: type(self)})]

    @classmethod
    def fill(cls, env: BuildEnvironment) -> list[nodes.Node]:
        """Return the content, when all pages are read."""
        raise NotImplementedError


def list_outdated(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages with such a directive."""
    return [name for name, page in all_pages(env).items() if page.census]


def fill_placeholders(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Fill in the placeholders of a page."""
    for node in [node for node in doctree.findall(nodes.container) if KEY in node]:
        node.replace_self(node[KEY].fill(app.env))


def setup(app: Sphinx) -> None:
    """Write the pages in each build, and fill in their placeholders."""
    app.connect("env-updated", list_outdated)
    app.connect("doctree-resolved", fill_placeholders)
