"""Reads what builds and starts an example: its Dockerfiles and its Compose files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(\S.*)")
_HEREDOC = re.compile(r"<<-?[\"']?(\w+)")


def dockerfile_instructions(lines: Sequence[str]) -> Iterator[tuple[int, int, str, str]]:
    """Yield the first line of each instruction of a Dockerfile, that behind its last one, its word in capitals, and the
    rest of its first line. Comments are left out, and what a heredoc holds.
    """
    at = 0
    while at < len(lines):
        found = None if lines[at].lstrip().startswith("#") else _INSTRUCTION.match(lines[at])
        first, at = at, at + 1
        if found is None:
            continue
        while at < len(lines) and (lines[at - 1].endswith("\\") or lines[at - 1].lstrip().startswith("#")):
            at += 1
        for word in _HEREDOC.findall("\n".join(lines[first:at])):
            while at < len(lines) and lines[at].strip() != word:
                at += 1
            at += 1
        yield first, min(at, len(lines)), found[1].upper(), found[2]
