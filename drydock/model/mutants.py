"""Mutants: small faults in an example's files, each of which a test has to kill. A mutant that no test kills survives.

Mutation operators derive them from Dockerfiles and Compose files. An example's lists add others, and name the
equivalent ones: those that change nothing a test could see, each with its reason. :mod:`drydock.mutation` tries them.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from drydock import ROOT
from drydock.errors import DrydockError, MalformedError, did_you_mean
from drydock.model.example import Example
from drydock.model.mutation_scores import FILE
from drydock.model.recipes import dockerfile_instructions

_KEY = re.compile(r"( *)([\w.${}/-]+|\"[^\"]*\"):(?: |$)")
_TAGGED = re.compile(r"([\w./-]+):[\w.-]+")


@dataclass(frozen=True)
class Mutant:
    """A fault.

    :ivar path: of the file in the example.
    :ivar line: 1-based line at which the file changes.
    :ivar what: what was done, in words that stay the same when lines move: ``drop USER 10001``.
    :ivar text: the file's new text.
    :ivar claim: the test that is to fail; "" for any.
    """

    path: str
    line: int
    what: str
    text: str = field(repr=False)
    claim: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"

    @property
    def name(self) -> str:
        """What mutants.toml calls it."""
        return f"{self.path}: {self.what}"


# Deriving


def derive_mutants(example: Example) -> list[Mutant]:
    """Return the mutants that follow from the example's Dockerfiles and Compose files."""
    found: list[Mutant] = []
    for name in example.files:
        base = PurePosixPath(name).name
        if base.startswith("Dockerfile") and not base.endswith(".dockerignore"):
            found += of_dockerfile(name, example.read(name))
        elif base.startswith("compose") and base.endswith((".yaml", ".yml")):
            found += of_compose(name, example.read(name))
    return found


def of_dockerfile(path: str, text: str) -> Iterator[Mutant]:
    """Yield each instruction dropped, lists as shell forms, tags as ``latest``, and a COPY behind the RUN below it.

    A COPY behind another COPY would hardly ever change what is in the image.
    """
    lines = text.splitlines()
    steps = list(dockerfile_instructions(lines))
    for index, (first, last, word, rest) in enumerate(steps):
        yield _edited(path, lines, first, last, [], f"drop {_short(lines[first:last])}")
        if word in ("CMD", "ENTRYPOINT") and _shell(rest):
            yield _edited(path, lines, first, last, [f"{word} {_shell(rest)}"], f"shell form of {word} {rest}")
        if word == "FROM" and _TAGGED.match(rest):
            latest = f"FROM {_TAGGED.sub(_latest, rest, count=1)}"
            yield _edited(path, lines, first, last, [latest], f"latest in FROM {rest}")
        if word == "COPY" and index + 1 < len(steps) and steps[index + 1][2] == "RUN":
            after = steps[index + 1]
            swapped = [*lines[after[0] : after[1]], *lines[first:last]]
            yield _edited(path, lines, first, after[1], swapped, f"move down {_short(lines[first:last])}")


def _shell(rest: str) -> str:
    """Return what a list of words is to a shell; "" where it is no list, also because its author got that wrong."""
    with contextlib.suppress(ValueError):
        words = json.loads(rest)
        return shlex.join(words) if isinstance(words, list) else ""
    return ""


def _latest(found: re.Match[str]) -> str:
    return f"{found[1]}:latest"


def _short(lines: Sequence[str]) -> str:
    return " ".join(" ".join(line.rstrip("\\") for line in lines).split())[:80]


def of_compose(path: str, text: str) -> Iterator[Mutant]:
    """Yield each key dropped, ports for everybody, weaker conditions, anonymous volumes, and images as ``latest``."""
    lines = text.splitlines()
    keys = list(_keys(lines))
    for first, last, names in keys:
        yield _edited(path, lines, first, last, [], f"drop {'.'.join(names)}")
    volumes = [names[1] for _, _, names in keys if names[0] == "volumes" and len(names) == 2]
    rules = [
        (r"127\.0\.0\.1::?", "", "a port for everybody"),
        (r"condition: service_(?:healthy|completed_successfully)", "condition: service_started", "a weaker condition"),
        *((rf"- {re.escape(volume)}:", "- ", "an anonymous volume") for volume in volumes),
        (r"(image: [\w./-]+):[\w.-]+", r"\1:latest", "latest"),
    ]
    for number, line in enumerate(lines):
        for pattern, new, what in rules:
            bare = line.partition(" #")[0]
            fresh = re.sub(pattern, new, bare)
            wanted = not line.lstrip().startswith("#") and (
                what != "a port for everybody" or bare.lstrip().startswith("-")
            )
            if fresh != bare and wanted:
                yield _edited(path, lines, number, number + 1, [fresh], f"{what} in {bare.strip()}")


def _keys(lines: Sequence[str]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield the first line of each key, that behind its value's last one, and the names that lead to it."""
    above: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        found = _KEY.match(line)
        if found is None:
            continue
        indent = len(found[1])
        above = [*(each for each in above if each[0] < indent), (indent, found[2])]
        last = number + 1
        for index in range(number + 1, len(lines)):
            below = lines[index]
            if not below.strip() or below.lstrip().startswith("#"):
                continue
            depth = len(below) - len(below.lstrip())
            if depth < indent or (depth == indent and not below.lstrip().startswith("- ")):
                break
            last = index + 1
        yield number, last, tuple(name for _, name in above)


def _edited(path: str, lines: Sequence[str], first: int, last: int, fresh: Sequence[str], what: str) -> Mutant:
    return Mutant(path, first + 1, what, "\n".join([*lines[:first], *fresh, *lines[last:]]) + "\n")


# Listed


def listed_mutants(example: Example, top: Path = ROOT) -> tuple[list[Mutant], dict[str, str]]:
    """Return the mutants that mutants.toml has for the example, and by name the reasons of the equivalent ones.

    :raises MalformedError: the list is not what this module expects, or names what the example does not have.
    """
    try:
        own = tomllib.loads((top / FILE).read_text(encoding="utf-8")).get(example.slug, {})
        mutants = [_listed(example, **fields) for fields in own.get("mutant", [])]
        equivalent = {str(name): str(reason) for name, reason in own.get("equivalent", {}).items()}
    except (OSError, ValueError, TypeError, AttributeError, DrydockError) as error:
        raise MalformedError(FILE, 0, f"[{example.slug}] {error}") from None
    known = {mutant.name for mutant in [*derive_mutants(example), *mutants]}
    for name, reason in equivalent.items():
        if name not in known or not reason:
            raise MalformedError(FILE, 0, f"[{example.slug}] no mutant {name!r}{did_you_mean(name, known)}")
    return mutants, equivalent


def _listed(example: Example, path: str, old: str, new: str, claim: str = "") -> Mutant:
    text = example.read(path)
    if text.count(old) != 1:
        raise ValueError(f"{old!r} is {text.count(old)} times in {path}, and is to be there once")
    line = text[: text.index(old)].count("\n") + 1
    return Mutant(path, line, f"{' '.join(old.split())} -> {' '.join(new.split())}", text.replace(old, new), claim)


# Results
