"""The repository's host: where a page is edited, and where somebody says that what a page shows did not work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from markupsafe import Markup
from sphinx.errors import ConfigError

from drydock.site.examples.publish import publishes_files
from drydock.site.pages import FOLDER, is_generated
from drydock.site.repository import get_repository

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.config import Config

#: The part of a page that leads to an issue about it; a block's link leads there, and a script makes it one of its own.
ANCHOR = "drydock-wrong"
#: The page that includes the changelog, and the changelog itself.
CHANGELOG_PAGE, CHANGELOG = "about/changelog", "CHANGELOG.md"
#: A title of an issue is cut here. What else an address of a new issue holds is short, so none is too long for a host.
LENGTH = 120
_ASKED = "Page: {page}\n\nWhat I did and saw:\n\n\nMy docker version:\n\n"


@dataclass(frozen=True)
class Host:
    """A kind of host, by the addresses below that of a repository.

    :ivar new: of an issue to be written.
    :ivar fields: the names of its title and its body in that address.
    :ivar edit: of a file to be edited, without the file's path.
    """

    new: str
    fields: tuple[str, str]
    edit: str


#: By a part of the host's name, so that ``gitlab.example.org`` is one.
HOSTS = {
    "github": Host("issues/new", ("title", "body"), "edit/main"),
    "gitlab": Host("-/issues/new", ("issue[title]", "issue[description]"), "-/edit/main"),
}


def host(repository: str) -> Host | None:
    """Return the kind of host that has the `repository`, or None where it is unknown."""
    names = (urlsplit(repository).hostname or "").split(".")
    return next((each for name, each in HOSTS.items() if name in names), None)


def issue(repository: str, title: str, page: str) -> str:
    """Return where an issue about the `page` is written: filled in where the host can do that, else the list of all."""
    known = host(repository)
    if known is None:
        return f"{repository.rstrip('/')}/issues"
    filled = zip(known.fields, (f"Did not work: {title}"[:LENGTH], _ASKED.format(page=page)), strict=True)
    return f"{repository.rstrip('/')}/{known.new}?{urlencode(list(filled))}"


def edit(repository: str, path: str) -> str:
    """Return where the file `path` of the `repository` is edited, or "" where that is not known."""
    known = host(repository)
    return f"{repository.rstrip('/')}/{known.edit}/{quote(path)}" if known and path else ""


def check(app: Sphinx, config: Config) -> None:
    """See that the repository is an address.

    :raises ConfigError: it is something else, such as what git clones from.
    """
    repository = config.drydock_repository
    if repository and urlsplit(repository).scheme not in ("http", "https"):
        raise ConfigError(
            f"drydock_repository is {repository!r}; it is to be an address such as https://github.com/a/b"
        )


def tell(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Lead from a page to its source, by the theme's button, and to an issue about it, by a line below it."""
    repository = app.config.drydock_repository
    link = edit(repository, _source(app, pagename)) if doctree is not None else ""
    context["theme_source_edit_link"] = link
    if not link:
        context["page_source_suffix"] = ""  # the theme asks for it
    if doctree is None or not repository or not publishes_files(app.builder):
        return
    title = Markup(context["title"]).striptags()
    uri = issue(repository, title, context.get("pageurl") or pagename)
    told = '<p id="{}">Something did not work? <a href="{}">Tell us</a>.</p>'
    context["body"] += str(Markup(told).format(ANCHOR, uri))


def _source(app: Sphinx, pagename: str) -> str:
    """Return the file that the page is made from, by its path in the repository; "" for one that is made from many."""
    if pagename == CHANGELOG_PAGE:
        return CHANGELOG
    if is_generated(pagename):
        slug = pagename.removeprefix(f"{FOLDER}/")
        return f"{FOLDER}/{slug}/README.md" if slug in get_repository(app.env).examples else ""
    return app.env.doc2path(pagename).relative_to(get_repository(app.env).top.resolve()).as_posix()


def setup(app: Sphinx) -> None:
    """Check the repository's address, and link it from each page."""
    # The address, where it is known.
    app.add_config_value("drydock_repository", "", "html", [str])
    app.connect("config-inited", check)
    app.connect("html-page-context", tell)
