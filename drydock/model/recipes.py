"""Readers for an example's Dockerfiles and Compose files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import yaml

from drydock.errors import MalformedError

_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(\S.*)")
_HEREDOC = re.compile(r"<<-?[\"']?(\w+)")


#: ``COPY --from=...`` and ``RUN --mount=type=bind,from=...``.
_COPIED_FROM = re.compile(r"--(?:from|mount=(?:\S*,)?from)=([^\s,]+)")
#: The loader in C, where PyYAML has it, is ten times as fast.
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_dockerfile(name: str) -> bool:
    """Return whether the file is a Dockerfile, by its name."""
    base = PurePosixPath(name).name
    return base.startswith("Dockerfile") and not base.endswith(".dockerignore")


def is_compose_file(name: str) -> bool:
    """Return whether the file is a Compose file, by its name."""
    base = PurePosixPath(name).name
    return base.startswith("compose") and base.endswith((".yaml", ".yml"))


def dockerfile_instructions(lines: Sequence[str]) -> Iterator[tuple[int, int, str, str]]:
    """Yield the instructions of a Dockerfile. Comments and the content of heredocs are left out.

    :returns: first line, counted from 0; line after the last; name in capitals; rest of the first line.
    """
    at = 0
    while at < len(lines):
        instruction = None if lines[at].lstrip().startswith("#") else _INSTRUCTION.match(lines[at])
        first, at = at, at + 1
        if instruction is None:
            continue
        while at < len(lines) and (lines[at - 1].endswith("\\") or lines[at - 1].lstrip().startswith("#")):
            at += 1
        for word in _HEREDOC.findall("\n".join(lines[first:at])):
            while at < len(lines) and lines[at].strip() != word:
                at += 1
            at += 1
        yield first, min(at, len(lines)), instruction[1].upper(), instruction[2]


def split_from(rest: str) -> tuple[str, str]:
    """Return the image that a ``FROM`` names, and the name of its stage; "" for what is left out."""
    image, *alias = [word for word in rest.split() if not word.startswith("--")] or [""]
    return image, alias[1] if len(alias) > 1 and alias[0].upper() == "AS" else ""


def dockerfile_images(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line, counted from 1, and the name of each external image that a Dockerfile uses.

    Names with a variable are left out. So are names in ``--from=`` without a tag, digest or registry: these may be the
    names of build contexts.
    """
    stages = {"scratch"}
    lines = text.splitlines()
    for first, end, word, rest in dockerfile_instructions(lines):
        if word == "FROM":
            image, stage = split_from(" ".join([rest, *lines[first + 1 : end]]).replace("\\", " "))
            images = [image] if image else []
        elif word in ("COPY", "RUN"):
            images, stage = [name for name in _COPIED_FROM.findall(rest) if re.search("[:/@]", name)], ""
        else:
            continue
        yield from ((first + 1, image) for image in images if image.lower() not in stages and "$" not in image)
        stages.add(stage.lower())


def compose_images(text: str, shown: str) -> Iterator[tuple[int, str]]:
    """Yield the line, counted from 1, and the value of each key ``image`` of a Compose file; not those with a variable.

    :param shown: the file's name for messages.
    :raises MalformedError: the file isn't YAML.
    """
    try:
        nodes = [yaml.compose(text, Loader=_FAST_LOADER)]
    except (yaml.YAMLError, RecursionError) as error:
        raise malformed_yaml(error, shown) from None
    visited: set[int] = set()
    while nodes:
        node = nodes.pop(0)
        if not isinstance(node, yaml.CollectionNode) or id(node) in visited:
            continue  # an alias is the node of its anchor, which was visited before
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
            continue
        for key, value in node.value:
            if key.value == "image" and isinstance(value, yaml.ScalarNode) and "$" not in value.value:
                yield value.start_mark.line + 1, value.value
            nodes.append(value)


def malformed_yaml(error: Exception, shown: str) -> MalformedError:
    """Return the error of a YAML parser with its place."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "nested too deeply"
    return MalformedError(shown, mark.line + 1 if mark else 0, f"not YAML: {problem}")


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
