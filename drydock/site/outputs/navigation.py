"""The list of all pages beside each page, made once for all of them.

The theme has Sphinx resolve the whole tree anew for each page, with the headings of every page in it, and reads what
comes out with an HTML parser: work that grows as the square of the pages, and was a third of a build.
Here it does so once, for the front page. From one page to the next only links and marks of "you are here" differ.
"""

# The theme's own code has no types.
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import re
from html import unescape
from itertools import count
from typing import TYPE_CHECKING, Any

from furo.navigation import get_navigation_tree
from markupsafe import escape
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment.adapters.toctree import global_toctree_for_doc

from drydock.site.examples.publish import publishes_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.builders import Builder

#: A page in the theme's list, with the box that unfolds the pages below it, where there are any.
_ENTRY = re.compile(
    r'<li class="toctree-l(?P<level>\d+)(?: current)?(?P<kind>(?: has-children)?)(?: current-page)?">'
    r'<a class="(?:current )?reference internal" href="(?P<href>[^"]*)">(?P<title>.*?)</a>(?P<box><input )?'
)
#: Pages that Sphinx makes, and that a list may name like others.
_GENERATED = ("genindex", "modindex", "search")


def setup(app: Sphinx) -> None:
    """Have each page's list of pages come from here, and the theme make none."""
    lists = Lists()
    app.connect("html-page-context", lists.before, priority=400)  # the theme's is 500
    app.connect("html-page-context", lists.after, priority=600)


class Lists:
    """The lists of one build."""

    def __init__(self) -> None:
        self._front = ""

    def before(
        self, app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
    ) -> None:
        """Take away what the theme would make its list with."""
        if _is_themes(app.builder):
            context.pop("toctree", None)

    def after(
        self, app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
    ) -> None:
        """Give the page its list."""
        if not _is_themes(app.builder):
            return
        self._front = self._front or front(app)
        context["furo_navigation_tree"] = seen_from(self._front, pagename, context["pathto"])


def _is_themes(builder: Builder) -> bool:
    return publishes_files(builder) and builder.config.html_theme == "furo"


def front(app: Sphinx) -> str:
    """Return the theme's list of all pages as it is on the front page, with the names of pages for links."""
    builder = app.builder
    assert isinstance(builder, StandaloneHTMLBuilder)
    tree = global_toctree_for_doc(app.env, app.config.root_doc, builder, tags=app.tags, maxdepth=-1, titles_only=True)
    listed: str = get_navigation_tree(builder.render_partial(tree)["fragment"])
    names = {builder.get_target_uri(name): name for name in [*app.env.found_docs, *_GENERATED]}
    names["#"] = app.config.root_doc  # it names itself
    return _ENTRY.sub(lambda entry: _entry(entry, href=names[unescape(entry["href"])]), listed)


def seen_from(listed: str, page: str, pathto: Callable[[str], str]) -> str:
    """Return the list as it is on a page: with links from there, and with marks on the way to it.

    :param listed: what :func:`front` returned.
    :param pathto: returns the link from the page to the page of that name.
    """
    entries = list(_ENTRY.finditer(listed))
    here = [number for number, entry in enumerate(entries) if entry["href"] == page]
    way = {number for last in here for number in _way(entries, last)}
    numbers = count()

    def marked(entry: re.Match[str]) -> str:
        number = next(numbers)
        return _entry(
            entry,
            kind=entry["kind"] + " current" * (number in way) + " current-page" * (number in here[-1:]),
            mark="current " * (number in here),
            href=str(escape(pathto(entry["href"]))),
            box=(entry["box"] or "") + 'checked="" ' * (number in way and bool(entry["box"])),
        )

    return _ENTRY.sub(marked, listed)


def _entry(found: re.Match[str], **changed: str) -> str:
    """Return an entry with some parts changed."""
    part = {name: text or "" for name, text in found.groupdict().items()} | changed
    return (
        f'<li class="toctree-l{part["level"]}{part["kind"]}"><a class="{part.get("mark", "")}reference internal"'
        f' href="{part["href"]}">{part["title"]}</a>{part["box"]}'
    )


def _way(entries: list[re.Match[str]], last: int) -> Iterator[int]:
    """Yield the numbers of an entry and of those that it is below."""
    level = int(entries[last]["level"]) + 1
    for number in range(last, -1, -1):
        if int(entries[number]["level"]) < level:
            level = int(entries[number]["level"])
            yield number
