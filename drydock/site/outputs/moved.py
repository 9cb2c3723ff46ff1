"""Pages that have moved: where one was, another one leads to where it is now.

``docs/moved.toml`` has a line for each, ``"old/page" = "new/page"``. A section may have a line of its own, for a page
that was taken apart: ``"old/page#section" = "new/page#section"``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from markupsafe import Markup
from sphinx.util.osutil import relative_uri

from drydock.site.examples.publish import publishes_files
from drydock.site.warn import Subtype, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.builders import Builder
    from sphinx.environment import BuildEnvironment

FILE = "moved.toml"
#: The script goes on to the section that was asked for, as a refresh cannot.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="canonical" href="{uri}">
<script src="{script}"></script>
<noscript><meta http-equiv="refresh" content="0; url={uri}"></noscript>
</head>
<body>
<p>This page has moved: <a href="{uri}">{title}</a></p>
{sections}
</body>
</html>
"""
SCRIPT = "_static/moved.js"


def load(folder: Path) -> dict[str, str]:
    """Return where each page or section of a page that has moved is now.

    :raises ValueError: the file is not TOML, or not one text by another.
    """
    place = folder / FILE
    found = tomllib.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    if not all(isinstance(new, str) for new in found.values()):
        raise ValueError("it is to be one text by another")
    return found


def _known(app: Sphinx) -> dict[str, str]:
    """Return what has moved; nothing where `check` has said why."""
    try:
        return load(Path(app.srcdir))
    except ValueError:
        return {}


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Report what leads to nothing, or stands where a page is."""
    place = f"{Path(app.srcdir).name}/{FILE}"
    try:
        moved = load(Path(app.srcdir))
    except ValueError as error:
        warn(Subtype.MALFORMED, str(error), place)
        return
    for old, new in moved.items():
        problem = _problem(env, moved, old, new)
        if problem:
            warn(Subtype.MISSING, f"{old!r} is to have moved to {new!r}: {problem}", place)


def _problem(env: BuildEnvironment, moved: dict[str, str], old: str, new: str) -> str:
    (was, section), (page, part) = _split(old), _split(new)
    if was in env.found_docs:
        return f"there is a page {was}"
    if section and was not in moved:
        return f"there is no line for all of {was!r}"
    if page not in env.found_docs:
        return f"there is no page {page}"
    if part and part not in _ids(env.get_doctree(page)):
        return f"{page} has no section {part}"
    return ""


def _split(name: str) -> tuple[str, str]:
    page, _, section = name.partition("#")
    return page, section


def _ids(doctree: nodes.document) -> set[str]:
    """Return what of a page can be linked."""
    return {each for node in doctree.findall(nodes.Element) for each in node["ids"]}


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write a page where each of them was."""
    if exception is not None or not publishes_files(app.builder):
        return
    moved = _known(app)
    for old, new in moved.items():
        if "#" not in old and old not in app.env.found_docs and _split(new)[0] in app.env.found_docs:
            place = app.outdir / app.builder.get_target_uri(old)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(_page(app, old, new, _sections(app.builder, moved, old)), encoding="utf-8")


def _page(app: Sphinx, old: str, new: str, sections: Iterator[Markup]) -> str:
    here = app.builder.get_target_uri(old)
    return Markup(PAGE).format(
        uri=_uri(app.builder, old, new),
        title=app.env.titles[_split(new)[0]].astext(),
        script=relative_uri(here, SCRIPT),
        sections=Markup("\n").join(sections),
    )


def _sections(builder: Builder, moved: dict[str, str], old: str) -> Iterator[Markup]:
    for each, new in moved.items():
        was, section = _split(each)
        if was == old and section:
            yield Markup('<p><a id="{0}" href="{1}">{0}</a></p>').format(section, _uri(builder, old, new))


def _uri(builder: Builder, old: str, new: str) -> str:
    page, part = _split(new)
    return builder.get_relative_uri(old, page) + (f"#{part}" if part else "")
