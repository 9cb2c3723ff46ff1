"""``{followed}``: the pages that were typed from top to bottom, and the sentence in which such a page says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.environment import BuildEnvironment

from drydock.errors import DrydockError
from drydock.model import walkthroughs
from drydock.model.walkthroughs import PageSteps, Walkthrough
from drydock.site.pages import all_pages, is_generated
from drydock.site.render.inline import InlineText, inline_nodes, to_html, to_markdown
from drydock.site.render.tables import text_table
from drydock.site.render.whole_site import WholeSiteDirective
from drydock.site.repository import get_repository

HEAD = ("Page", "Commands", "Engine", "Date")
#: Shown where no page was followed.
NONE = "No page has been followed so yet: `nox -s follow` does it."


def page_steps(env: BuildEnvironment) -> dict[str, list[PageSteps]]:
    """Return the commands that a reader types on each page that an author wrote, by docname."""
    return {name: _steps_on(env, name) for name in sorted(all_pages(env)) if not is_generated(name)}


def _steps_on(env: BuildEnvironment, name: str) -> list[PageSteps]:
    blocks = all_pages(env)[name].blocks
    return [PageSteps(block.slug, PurePosixPath(block.path).stem, block.steps) for block in blocks if block.steps]


def find_walkthrough(env: BuildEnvironment, name: str) -> Walkthrough | None:
    """Return the walkthrough of the page as it is now, or None. Other checks report files that do not parse."""
    try:
        walkthrough = get_repository(env).walkthroughs.get(name)
        digest = walkthrough and walkthroughs.page_digest(_steps_on(env, name), get_repository(env).examples)
    except (DrydockError, LookupError):
        return None
    return walkthrough if walkthrough and walkthrough.digest == digest else None


@dataclass(frozen=True)
class FollowedPage:
    """The sentence in which a page says that it was followed, if it was."""

    def _sentence(self, builder: Builder, docname: str) -> str:
        walkthrough = find_walkthrough(builder.env, docname)
        if not walkthrough or not walkthroughs.has_order(docname):
            return ""
        return (
            f"Its {walkthrough.steps} commands were typed in order, in one terminal, on `{walkthrough.engine}` on "
            f"{walkthrough.date}: each printed what you see here, and in the end nothing but images was left."
        )

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return it as HTML."""
        sentence = self._sentence(builder, docname)
        return Markup('<p class="drydock-proof">{}</p>').format(to_html(sentence)) if sentence else Markup()

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return it as Markdown."""
        return to_markdown(self._sentence(builder, docname))


class FollowedDirective(WholeSiteDirective):
    """``{followed}``: how many pages were followed, and which."""

    @classmethod
    def fill(cls, env: BuildEnvironment) -> list[nodes.Node]:
        """Return a sentence, and a table that opens."""
        pages = [name for name, blocks in page_steps(env).items() if blocks and walkthroughs.has_order(name)]
        current = {name: walkthrough for name in pages if (walkthrough := find_walkthrough(env, name))}
        if not current:
            return [nodes.paragraph("", "", *inline_nodes(NONE))]
        outdated = [env.titles[name].astext() for name in pages if name not in current]
        return [
            nodes.paragraph("", "", *inline_nodes(_summary(current, len(pages), outdated))),
            nodes.raw("", "<details><summary>Each of them</summary>", format="html"),
            text_table(HEAD, [_row(env, *item) for item in current.items()], "drydock-followed", stub=True),
            nodes.raw("", "</details>", format="html"),
        ]


def _summary(current: Mapping[str, Walkthrough], pages: int, outdated: list[str]) -> str:
    steps = sum(walkthrough.steps for walkthrough in current.values())
    last = max(walkthrough.date for walkthrough in current.values())
    summary = f"{len(current)} of {pages} pages were followed, the last on {last}, with {steps:,} commands in all."
    return summary + (f" Not since their last change: {', '.join(outdated)}." if outdated else "")


def _row(env: BuildEnvironment, name: str, walkthrough: Walkthrough) -> list[InlineText]:
    cells = (env.titles[name].astext(), f"{walkthrough.steps:,}", f"`{walkthrough.engine}`", walkthrough.date)
    return list(map(InlineText, cells))


def setup(app: Sphinx) -> None:
    """Add the directive."""
    app.add_directive("followed", FollowedDirective)
