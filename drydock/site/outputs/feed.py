"""The changelog as an Atom feed: an entry for each version with a date, as CHANGELOG.md has them.

What is not out yet has no date, and so no entry. Where there is no entry, there is no feed.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from markdown_it import MarkdownIt
from markupsafe import Markup
from sphinx.util.osutil import relative_uri

from drydock.site.examples.publish import publishes_files
from drydock.site.repository import get_repository
from drydock.site.warn import Subtype, warn

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

#: The changelog in the repository, the page that shows it, and the feed in the output directory.
SOURCE, PAGE, FILE = "CHANGELOG.md", "about/changelog", "changelog.atom"
UNRELEASED = "Unreleased"
ATOM = "http://www.w3.org/2005/Atom"
_HEADING = re.compile(r"^## +(.*?) *$", re.MULTILINE)
_RELEASE = re.compile(r"\[?([^\]\s]+)\]? +- +(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True)
class Release:
    """One version of the changelog.

    :ivar text: what has changed, in Markdown.
    """

    version: str
    day: date
    text: str


def releases(text: str) -> list[Release]:
    """Return the versions of a changelog that have a date, as they stand in it: the newest first.

    :raises ValueError: a heading is neither a version with its date nor what is to come; the message names it.
    """
    _, *parts = _HEADING.split(text)
    return [
        _release(heading, body)
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
        if heading.strip("[]") != UNRELEASED
    ]


def _release(heading: str, body: str) -> Release:
    found = _RELEASE.fullmatch(heading)
    try:
        if found:
            return Release(found[1], date.fromisoformat(found[2]), body.strip())
    except ValueError:
        pass
    raise ValueError(f"a heading {heading!r}; it is to be a version and its date, as in 1.2.0 - 2026-12-31")


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Report a changelog that cannot be read, also where no address is known."""
    try:
        _known(app)
    except ValueError as error:
        warn(Subtype.MALFORMED, str(error), SOURCE)


def _known(app: Sphinx) -> list[Release]:
    place = get_repository(app.env).top / SOURCE
    return releases(place.read_text(encoding="utf-8")) if place.is_file() else []


def _fed(app: Sphinx) -> list[Release]:
    """Return what the feed has: nothing where the site's address is not known, or no page shows the changelog."""
    if not (publishes_files(app.builder) and app.config.html_baseurl and PAGE in app.env.found_docs):
        return []
    try:
        return _known(app)
    except ValueError:  # reported by `check`
        return []


def tell(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Name the feed in the head of the front page and of the changelog, and to the readers of that."""
    if doctree is None or pagename not in (app.config.root_doc, PAGE) or not _fed(app):
        return
    uri = relative_uri(app.builder.get_target_uri(pagename), FILE)
    link = Markup('<link rel="alternate" type="application/atom+xml" title="Changes" href="{}">').format(uri)
    context["metatags"] = f"{context.get('metatags', '')}\n{link}"
    if pagename == PAGE:
        told = Markup('<p>Changes are told by <a class="reference internal" href="{}">a feed</a> as well.</p>').format(
            uri
        )
        context["body"] += str(told)


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the feed."""
    known = _fed(app) if exception is None else []
    if known:
        page = urljoin(app.config.html_baseurl, app.builder.get_target_uri(PAGE))
        text = atom(known, app.config.project, app.config.author, page, urljoin(app.config.html_baseurl, FILE))
        Path(app.outdir, FILE).write_bytes(text)


def atom(known: list[Release], project: str, author: str, page: str, feed: str) -> bytes:
    """Return the feed of the releases `known`, of which there is at least one.

    :param page: the address of the changelog.
    :param feed: the address of the feed, which is its identity as well.
    """
    top = ET.Element("feed", xmlns=ATOM)
    _add(top, "title", f"Changes of {project}")
    _add(top, "id", feed)
    _add(top, "updated", _moment(max(each.day for each in known)))
    _add(_add(top, "author"), "name", author)
    _add(top, "link", rel="self", href=feed)
    _add(top, "link", rel="alternate", type="text/html", href=page)
    for each in known:
        entry = _add(top, "entry")
        _add(entry, "title", f"{project} {each.version}")
        _add(entry, "id", f"{feed}#{each.version}")
        _add(entry, "updated", _moment(each.day))
        _add(entry, "link", rel="alternate", type="text/html", href=page)
        _add(entry, "content", MarkdownIt().render(each.text), type="html")
    ET.indent(top, "")
    text: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, name, attributes)
    child.text = text or None
    return child


def _moment(day: date) -> str:
    """Return the beginning of the day: a changelog has no hours."""
    return f"{day.isoformat()}T00:00:00Z"
