"""Readers for an example's Dockerfiles and Compose files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import yaml

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


def compose_keys(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield the first line of each key of a Compose file, the line after its value, and the names that lead to it.

    Lines count from 0. Merge keys (``<<``) and first keys of list items (``- type: bind``) are included. List items add
    no name. Keys within braces are left out: they share their line with the key above them.

    :raises yaml.YAMLError: the file isn't YAML.
    """
    root = yaml.compose(text if text.endswith("\n") else f"{text}\n", Loader=yaml.SafeLoader)
    yield from _block_keys(root, text.splitlines(), (), set())


def _block_keys(
    node: yaml.Node | None, lines: Sequence[str], above: tuple[str, ...], visited: set[int]
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or id(node) in visited:
        return  # an alias is the node of its anchor, which was visited before
    visited.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _block_keys(item, lines, above, visited)
        return
    starts = [key.start_mark.line for key, _ in node.value]
    for (key, value), first, end in zip(node.value, starts, [*starts[1:], node.end_mark.line], strict=True):
        while end > first + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
            end -= 1
        names = (*above, str(key.value))
        yield first, end, names
        yield from _block_keys(value, lines, names, visited)
