"""The navigation beside each page, made once for all of them.

The theme has Sphinx resolve the whole tree for each page, with the headings of every page in it, and parses the
resulting HTML: work that grows as the square of the pages, and took a third of a build.
Here it does so once, for the front page. From one page to the next only links and the marks of the current page differ.
"""

# The theme's own code has no types.
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from itertools import count
from typing import Any

from docutils import nodes
from furo.navigation import get_navigation_tree
from markupsafe import escape
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.environment.adapters.toctree import global_toctree_for_doc

from drydock.site.examples.publish import publishes_files

#: A page in the theme's list, with the checkbox that unfolds the pages below it, where there are any.
_ENTRY = re.compile(
    r'<li class="toctree-l(?P<level>\d+)(?: current)?(?P<kind>(?: has-children)?)(?: current-page)?">'
    r'<a class="(?:current )?reference internal" href="(?P<href>[^"]*)">(?P<title>.*?)</a>(?P<box><input )?'
)


def setup(app: Sphinx) -> None:
    """Replace the theme's navigation."""
    navigation = Navigation()
    app.connect("env-updated", list_outdated)
    app.connect("html-page-context", navigation.suppress_theme_tree, priority=400)  # the theme's is 500
    app.connect("html-page-context", navigation.insert_tree, priority=600)


def list_outdated(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Return all pages if the title or the place of one changed: each has it in its navigation."""
    before = vars(env).get("drydock_navigation")
    listed = {name for names in env.toctree_includes.values() for name in names} & env.titles.keys()
    vars(env)["drydock_navigation"] = now = (
        {name: env.titles[name].astext() for name in listed},
        env.toctree_includes.copy(),
    )
    return sorted(env.found_docs) if before not in (None, now) else []


class Navigation:
    """The navigation of one build."""

    def __init__(self) -> None:
        self._front = ""

    def suppress_theme_tree(
        self, app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
    ) -> None:
        """Remove the function that the theme would make its list with."""
        if _is_furo(app.builder):
            context.pop("toctree", None)

    def insert_tree(
        self, app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
    ) -> None:
        """Give the page its navigation."""
        if not _is_furo(app.builder):
            return
        self._front = self._front or front_tree(app)
        page = app.builder.get_target_uri(pagename)
        context["furo_navigation_tree"] = mark_current(self._front, page, context["pathto"])


def _is_furo(builder: Builder) -> bool:
    return publishes_files(builder) and builder.config.html_theme == "furo"


def front_tree(app: Sphinx) -> str:
    """Return the theme's list of all pages with links from the top folder of the site."""
    builder, root = app.builder, app.config.root_doc
    assert isinstance(builder, StandaloneHTMLBuilder)
    tree = global_toctree_for_doc(app.env, root, builder, tags=app.tags, maxdepth=-1, titles_only=True)
    listed: str = get_navigation_tree(builder.render_partial(tree)["fragment"])
    front = {"#": str(escape(builder.get_target_uri(root)))}  # its link to itself
    return _ENTRY.sub(lambda entry: _entry(entry, href=front.get(entry["href"], entry["href"])), listed)


def mark_current(tree: str, page: str, pathto: Callable[..., str]) -> str:
    """Return the navigation of a page: with links from there, and with marks on the way to it.

    :param tree: see :func:`front_tree`.
    :param page: the page's address below the top folder.
    :param pathto: returns the link from the page to such an address.
    """
    entries = list(_ENTRY.finditer(tree))
    here = [index for index, entry in enumerate(entries) if unescape(entry["href"]) == page]
    ancestors = {index for last in here for index in _ancestors(entries, last)}
    indexes = count()

    def marked(entry: re.Match[str]) -> str:
        index = next(indexes)
        return _entry(
            entry,
            kind=entry["kind"] + " current" * (index in ancestors) + " current-page" * (index in here[-1:]),
            mark="current " * (index in here),
            href=str(escape(_link(unescape(entry["href"]), pathto))),
            box=(entry["box"] or "") + 'checked="" ' * (index in ancestors and bool(entry["box"])),
        )

    return _ENTRY.sub(marked, tree)


def _link(address: str, pathto: Callable[..., str]) -> str:
    """Return the link to a page or, where a page has several top headings, to one of them."""
    page, hash_, section = address.partition("#")
    return f"{pathto(page, resource=True)}{hash_}{section}".replace("##", "#")


def _entry(entry: re.Match[str], **changed: str) -> str:
    """Return an entry with some parts changed."""
    part = {name: text or "" for name, text in entry.groupdict().items()} | changed
    return (
        f'<li class="toctree-l{part["level"]}{part["kind"]}"><a class="{part.get("mark", "")}reference internal"'
        f' href="{part["href"]}">{part["title"]}</a>{part["box"]}'
    )


def _ancestors(entries: list[re.Match[str]], last: int) -> Iterator[int]:
    """Yield the indexes of an entry and of those above it."""
    level = int(entries[last]["level"]) + 1
    for index in range(last, -1, -1):
        if int(entries[index]["level"]) < level:
            level = int(entries[index]["level"])
            yield index
