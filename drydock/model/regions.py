"""Regions: parts of a file between marker comments, which a page can show alone."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from drydock.errors import MalformedError

_COMMENT = r"\s*(?:#|//|--|;|<!--)\s*"
_MARKER = re.compile(_COMMENT + r"(?P<end>end)?region: (?P<name>[a-z][a-z0-9-]*)\s*(?:-->\s*)?")
#: What was meant as a marker, most likely: ``# Region:a``, ``#endregion``.
_NEAR_MISS = re.compile(_COMMENT + r"(?:region\s*:|end\s?region\b)", re.IGNORECASE)


def parse_regions(lines: list[str], shown: str) -> tuple[list[str], dict[str, str]]:
    """Return the lines of a file without region markers, and its regions by name, without their common indent.

    A region begins after a comment line ``# region: NAME`` and ends before ``# endregion: NAME``. Regions may nest and
    overlap.

    :param shown: the file's name for messages.
    :raises MalformedError: a marker is misspelled; or a region is opened twice, closed without being open, never
        closed, or empty.
    """
    plain: list[str] = []
    regions: dict[str, list[str]] = {}
    open_regions: dict[str, int] = {}
    for number, line, marker in _mark_lines(lines, shown):
        if marker is None:
            plain.append(line)
            for name in open_regions:
                regions[name].append(line)
            continue
        name = marker["name"]
        problem = _marker_problem(name, bool(marker["end"]), regions, open_regions)
        if problem:
            raise MalformedError(shown, number, f"region {name} {problem}")
        if marker["end"]:
            del open_regions[name]
        else:
            regions[name], open_regions[name] = [], number
    for name, number in open_regions.items():
        raise MalformedError(shown, number, f"region {name} never ends")
    return plain, {name: textwrap.dedent("\n".join(body)).strip("\n") for name, body in regions.items()}


def _mark_lines(lines: list[str], shown: str) -> Iterator[tuple[int, str, re.Match[str] | None]]:
    for number, line in enumerate(lines, start=1):
        # The expressions are slow, and few lines have the word.
        candidate = "region" in line.lower()
        marker = _MARKER.fullmatch(line) if candidate else None
        if candidate and marker is None and _NEAR_MISS.match(line):
            raise MalformedError(shown, number, "a marker is written '# region: name' or '# endregion: name'")
        yield number, line, marker


def _marker_problem(name: str, end: bool, regions: dict[str, list[str]], open_regions: dict[str, int]) -> str:
    if not end:
        return "begins a second time" if name in regions else ""
    if name not in open_regions:
        return "ends but never began"
    return "" if any(line.strip() for line in regions[name]) else "is empty"
