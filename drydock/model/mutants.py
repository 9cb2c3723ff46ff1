"""Mutants: small faults in an example's files, each of which a test has to kill. A mutant that no test kills survives.

Mutation operators derive them from Dockerfiles and Compose files. An example's lists add others, and name the
equivalent ones: those that change nothing a test could see, each with its reason. :mod:`drydock.mutation` tries them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from drydock import ROOT
from drydock.errors import DrydockError, MalformedError, did_you_mean
from drydock.model.example import Example
from drydock.model.expectations import ListedMutant, expectations_file, load_expectations
from drydock.model.mutation_scores import Score
from drydock.model.recipes import (
    compose_keys,
    dockerfile_instructions,
    is_compose_file,
    is_dockerfile,
    malformed_yaml,
)

_DASH = re.compile(r" *(?:- +)+")
_TAGGED = re.compile(r"([\w./-]+):[\w.-]+")
#: The loader in C, where PyYAML has it, is ten times as fast.
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Mutant:
    """A small fault in one file of an example.

    :ivar path: the file's path in the example.
    :ivar line: the first line that changes, counted from 1.
    :ivar what: the change, in words that stay the same when lines move: ``drop USER 10001``.
    :ivar text: the file's new text.
    :ivar claim: the only test that may kill the mutant; "" for any.
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
        """The mutant's name in lists: without the line, so that it survives edits elsewhere in the file."""
        return f"{self.path}: {self.what}"


# Mutation operators


def derive_mutants(example: Example) -> list[Mutant]:
    """Return the mutants that follow from the example's Dockerfiles and Compose files.

    :raises MalformedError: a Compose file isn't YAML.
    """
    mutants: list[Mutant] = []
    for name in example.files:
        if is_dockerfile(name):
            mutants += of_dockerfile(name, example.read(name))
        elif is_compose_file(name):
            try:
                mutants += of_compose(name, example.read(name))
            except (yaml.YAMLError, RecursionError) as error:
                raise malformed_yaml(error, f"examples/{example.slug}/{name}") from None
    return mutants


def of_dockerfile(path: str, text: str) -> Iterator[Mutant]:
    """Yield each instruction dropped, exec forms as shell forms, tags as ``latest``, and a COPY moved below a RUN.

    A COPY only moves below a RUN: moved below another COPY, it would hardly ever change the image.
    """
    lines = text.splitlines()
    instructions = list(dockerfile_instructions(lines))
    for index, (first, end, word, rest) in enumerate(instructions):
        yield _replace_lines(path, lines, first, end, [], f"drop {_one_line(lines[first:end])}")
        if word in ("CMD", "ENTRYPOINT") and _shell_form(rest):
            shell = f"{word} {_shell_form(rest)}"
            yield _replace_lines(path, lines, first, end, [shell], f"shell form of {word} {rest}")
        if word == "FROM" and _TAGGED.match(rest):
            latest = _TAGGED.sub(r"FROM \1:latest", rest, count=1)
            yield _replace_lines(path, lines, first, end, [latest], f"latest in FROM {rest}")
        if word == "COPY" and index + 1 < len(instructions) and instructions[index + 1][2] == "RUN":
            below, last = instructions[index + 1][:2]
            swapped = [*lines[below:last], *lines[first:end]]
            yield _replace_lines(path, lines, first, last, swapped, f"move down {_one_line(lines[first:end])}")


def _shell_form(rest: str) -> str:
    """Return the exec form as one shell-quoted string, or "" if it isn't a valid JSON list."""
    with contextlib.suppress(ValueError):
        arguments = json.loads(rest)
        return shlex.join(arguments) if isinstance(arguments, list) else ""
    return ""


def _one_line(lines: Sequence[str]) -> str:
    return " ".join(" ".join(line.rstrip("\\") for line in lines).split())[:80]


def of_compose(path: str, text: str) -> Iterator[Mutant]:
    """Yield each key dropped, ports published on all addresses, weaker conditions, anonymous volumes, and ``latest``.

    :raises yaml.YAMLError: the file isn't YAML.
    """
    lines = text.splitlines()
    keys = list(compose_keys(text))
    for first, end, names in keys:
        yield _flag_broken(_drop_key(path, lines, first, end, f"drop {'.'.join(names)}"))
    volumes = [names[1] for _, _, names in keys if names[0] == "volumes" and len(names) == 2]
    rules = [
        (r"127\.0\.0\.1::?", "", "a port for everybody"),
        (r"condition: service_(?:healthy|completed_successfully)", "condition: service_started", "a weaker condition"),
        *((rf"- {re.escape(volume)}:", "- ", "an anonymous volume") for volume in volumes),
        (r"(image: [\w./-]+):[\w.-]+", r"\1:latest", "latest"),
    ]
    for number, line in enumerate(lines):
        bare = line.partition(" #")[0]
        if line.lstrip().startswith("#"):
            continue
        for pattern, new, what in rules:
            changed = re.sub(pattern, new, bare)
            is_item = bare.lstrip().startswith("-")
            if changed != bare and (is_item or what != "a port for everybody"):
                yield _replace_lines(path, lines, number, number + 1, [changed], f"{what} in {bare.strip()}")


def _drop_key(path: str, lines: Sequence[str], first: int, end: int, what: str) -> Mutant:
    """Drop a key. The dash of a list item moves to the item's next key; an item without another key goes."""
    dash = _DASH.match(lines[first])
    following = end
    while dash and following < len(lines) and not lines[following].partition("#")[0].strip():
        following += 1
    below = lines[following] if following < len(lines) else ""
    if dash and len(below) - len(below.lstrip()) == len(dash[0]):
        moved = [*lines[end:following], dash[0] + below.lstrip()]
        return _replace_lines(path, lines, first, following + 1, moved, what)
    return _replace_lines(path, lines, first, end, [], what)


def _flag_broken(mutant: Mutant) -> Mutant:
    """Say in the mutant's name that its file is no longer YAML: it lost an anchor, and aliases of it are left."""
    try:
        yaml.compose(mutant.text, Loader=_FAST_LOADER)
    except yaml.YAMLError:
        return dataclasses.replace(mutant, what=f"{mutant.what} (no longer YAML)")
    return mutant


def _replace_lines(path: str, lines: Sequence[str], first: int, end: int, new: Sequence[str], what: str) -> Mutant:
    return Mutant(path, first + 1, what, "\n".join([*lines[:first], *new, *lines[end:]]) + "\n")


# All mutants of an example


def load_mutants(example: Example, top: Path = ROOT) -> tuple[list[Mutant], list[Mutant]]:
    """Return the example's mutants to try, derived and listed, and its equivalent ones, which no test can kill.

    :raises MalformedError: the list of mutants names text or mutants that the example doesn't have, or isn't
        well-formed; or see :func:`derive_mutants`.
    """
    expectations = load_expectations(example.slug, top)
    mutants = derive_mutants(example)
    try:
        mutants += [_listed_mutant(example, listed) for listed in expectations.mutants]
    except (ValueError, DrydockError) as error:
        raise MalformedError(expectations_file(example.slug), 0, f"mutants: {error}") from None
    names = {mutant.name for mutant in mutants}
    for name in expectations.equivalent:
        if name not in names:
            problem = f"equivalent: no mutant {name!r}{did_you_mean(name, names)}"
            raise MalformedError(expectations_file(example.slug), 0, problem)
    to_try = [mutant for mutant in mutants if mutant.name not in expectations.equivalent]
    return to_try, [mutant for mutant in mutants if mutant.name in expectations.equivalent]


def _listed_mutant(example: Example, listed: ListedMutant) -> Mutant:
    text, old, new = example.read(listed.path), listed.old, listed.new
    if text.count(old) != 1:
        raise ValueError(f"{old!r} occurs {text.count(old)} times in {listed.path}, not once")
    line = text[: text.index(old)].count("\n") + 1
    what = f"{' '.join(old.split())} -> {' '.join(new.split())}"
    return Mutant(listed.path, line, what, text.replace(old, new), listed.claim)


def is_current(score: Score, example: Example, top: Path = ROOT) -> bool:
    """Return whether the score is about the example as it is, and counts all mutants that it has today.

    An operator that derives more mutants makes the scores of the examples concerned old, and no others.

    :raises MalformedError: see :func:`load_mutants`.
    """
    if score.digest != example.digest(readme=False):
        return False
    to_try, equivalent = load_mutants(example, top)
    return score.tried == len(to_try) + len(equivalent) and {*score.equivalent} <= {*map(str, equivalent)}
