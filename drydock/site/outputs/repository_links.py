"""Links to the repository: to edit a page, by the theme's own button, and to report what didn't work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

from drydock.site.examples.publish import publishes_files
from drydock.site.pages import FOLDER, is_generated
from drydock.site.repository import get_repository

#: The line below a page that links an issue. The link of a block leads there; a script turns it into an issue's.
ANCHOR = "drydock-wrong"
#: Titles are cut here. The other parts of the address are short, so no host finds it too long.
MAX_TITLE = 120
#: Pages that are made of another file in the repository.
SOURCES = {"about/changelog": "CHANGELOG.md"}
_ISSUE = "Page: {page}\n\nWhat I did and saw:\n\n\nMy docker version:\n\n"


@dataclass(frozen=True)
class Host:
    """A kind of host, by its addresses below the repository's.

    :ivar new: of a new issue.
    :ivar fields: the names of the issue's title and body in that address.
    :ivar edit: of an edited file, without its path.
    """

    new: str
    fields: tuple[str, str]
    edit: str


#: By a part of the host's name, so that ``gitlab.example.org`` is one.
HOSTS = {
    "github": Host("issues/new", ("title", "body"), "edit/main"),
    "gitlab": Host("-/issues/new", ("issue[title]", "issue[description]"), "-/edit/main"),
}


def find_host(repository: str) -> Host | None:
    """Return the kind of host that the `repository` is on, or None where it is unknown."""
    names = (urlsplit(repository).hostname or "").split(".")
    return next((host for name, host in HOSTS.items() if name in names), None)


def issue_address(repository: str, title: str, page: str) -> str:
    """Return the address of a new issue about the `page`, filled in where the host can do that, else of all issues."""
    host = find_host(repository)
    if host is None:
        return f"{repository.rstrip('/')}/issues"
    values = (f"Did not work: {title}"[:MAX_TITLE], _ISSUE.format(page=page))
    return f"{repository.rstrip('/')}/{host.new}?{urlencode(list(zip(host.fields, values, strict=True)))}"


def set_edit_link(app: Sphinx, config: Config) -> None:
    """Tell the theme where the pages are edited, if the host is known and the pages are in the repository.

    :raises ConfigError: the repository is no address that a reader can open, but, say, one to clone from.
    """
    repository = config.drydock_repository
    if repository and urlsplit(repository).scheme not in ("http", "https"):
        raise ConfigError(f"drydock_repository is {repository!r}, not an address such as https://github.com/a/b")
    folder, top = Path(app.srcdir), Path(app.confdir, config.drydock_top).resolve()
    edit = _edit_folder(repository)
    if edit and config.html_theme == "furo" and folder.is_relative_to(top):
        path = folder.relative_to(top).as_posix()
        config.html_theme_options = {**config.html_theme_options, "source_edit_link": f"{edit}/{path}/{{filename}}"}


def _edit_folder(repository: str) -> str:
    host = find_host(repository)
    return f"{repository.rstrip('/')}/{host.edit}" if host else ""


def add_links(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Link a generated page's own source, or none, and add the line that links an issue."""
    repository = app.config.drydock_repository
    if doctree is None or is_generated(pagename) or pagename in SOURCES:
        source = _generated_source(app, pagename) if doctree is not None else ""
        edit = f"{_edit_folder(repository)}/{quote(source)}" if source and _edit_folder(repository) else ""
        context["theme_source_edit_link"] = edit
        if not edit:
            context["page_source_suffix"] = ""  # the theme shows no button without it
    if doctree is not None and repository and publishes_files(app.builder):
        title = Markup(context["title"]).striptags()
        address = issue_address(repository, title, context.get("pageurl") or pagename)
        line = Markup('<p id="{}">Something did not work? <a href="{}">Tell us</a>.</p>')
        context["body"] += str(line.format(ANCHOR, address))


def _generated_source(app: Sphinx, pagename: str) -> str:
    """Return the path in the repository of the file that the page is made of; "" for a page made of many."""
    slug = pagename.removeprefix(f"{FOLDER}/")
    return SOURCES.get(pagename, f"examples/{slug}/README.md" if slug in get_repository(app.env).examples else "")


def setup(app: Sphinx) -> None:
    """Check the repository's address, and link it from each page."""
    # The address, where it is known.
    app.add_config_value("drydock_repository", "", "html", [str])
    app.connect("config-inited", set_edit_link)
    app.connect("html-page-context", add_links)
