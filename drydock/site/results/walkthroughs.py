"""``{followed}``: which pages were typed from top to bottom, and what a page says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from docutils import nodes
from markupsafe import Markup
from sphinx.util.docutils import SphinxDirective

from drydock.errors import DrydockError
from drydock.model import walkthroughs
from drydock.model.walkthroughs import PageSteps, Walkthrough
from drydock.site.pages import all_pages, current_page, is_generated
from drydock.site.render.inline import InlineText, inline_nodes, to_html, to_markdown
from drydock.site.render.tables import text_table
from drydock.site.repository import get_repository

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.builders import Builder
    from sphinx.environment import BuildEnvironment

HEAD = ("Page", "Commands", "Engine", "Date")
#: What the site says where no page was followed.
NONE = "No page has been followed so yet: `nox -s follow` does it."


def typed(env: BuildEnvironment) -> dict[str, list[PageSteps]]:
    """Return what each page that an author wrote has a reader type, by docname."""
    return {name: _typed(env, name) for name in sorted(all_pages(env)) if not is_generated(name)}


def _typed(env: BuildEnvironment, name: str) -> list[PageSteps]:
    blocks = all_pages(env)[name].blocks
    return [PageSteps(each.slug, PurePosixPath(each.path).stem, each.steps) for each in blocks if each.steps]


def fresh(env: BuildEnvironment, name: str) -> Walkthrough | None:
    """Return the walkthrough of the page as it is now, or None."""
    try:
        found = walkthroughs.load_walkthroughs(get_repository(env).top).get(name)
        same = found and found.digest == walkthroughs.page_digest(_typed(env, name), get_repository(env).examples)
    except (DrydockError, LookupError):  # the file or a block doesn't parse, which the build has reported
        return None
    return found if same else None


@dataclass(frozen=True)
class FollowedPage:
    """The sentence in which a page says that it was followed, where it was."""

    def _said(self, builder: Builder, docname: str) -> str:
        found = fresh(builder.env, docname)
        if not found or not walkthroughs.has_order(docname):
            return ""
        return (
            f"Its {found.steps} commands were typed in order, in one terminal, on `{found.engine}` on {found.date}: "
            "each printed what you see here, and in the end nothing but images was left."
        )

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return it as HTML."""
        said = self._said(builder, docname)
        return Markup('<p class="drydock-proof">{}</p>').format(to_html(said)) if said else Markup()

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return it as Markdown."""
        return to_markdown(self._said(builder, docname))


class FollowedDirective(SphinxDirective):
    """``{followed}``: how many pages were followed, and which. Its place is held until all pages are read."""

    def run(self) -> list[nodes.Node]:
        """Return what holds its place."""
        current_page(self.env).census = True
        return [nodes.container("", drydock_followed=True)]


def show(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the list where its place was held."""
    for node in list(doctree.findall(nodes.container)):
        if "drydock_followed" in node:
            node.replace_self(_shown(app.env))


def _shown(env: BuildEnvironment) -> list[nodes.Node]:
    asked = [name for name, blocks in typed(env).items() if blocks and walkthroughs.has_order(name)]
    found = {name: each for name in asked if (each := fresh(env, name))}
    if not found:
        return [nodes.paragraph("", "", *inline_nodes(NONE))]
    steps = sum(each.steps for each in found.values())
    last = max(each.date for each in found.values())
    said = f"{len(found)} of {len(asked)} pages were followed, the last on {last}, with {steps:,} commands in all."
    missing = [env.titles[name].astext() for name in asked if name not in found]
    if missing:
        said += f" Not since their last change: {', '.join(missing)}."
    body = [
        [
            InlineText(env.titles[name].astext()),
            InlineText(f"{each.steps:,}"),
            InlineText(f"`{each.engine}`"),
            InlineText(each.date),
        ]
        for name, each in found.items()
    ]
    return [
        nodes.paragraph("", "", *inline_nodes(said)),
        nodes.raw("", "<details><summary>Each of them</summary>", format="html"),
        text_table(HEAD, body, "drydock-followed", stub=True),
        nodes.raw("", "</details>", format="html"),
    ]


def setup(app: Sphinx) -> None:
    """Add the directive."""
    app.add_directive("followed", FollowedDirective)
    app.connect("doctree-resolved", show)
