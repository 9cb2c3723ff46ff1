"""What an engine's command line knows: its commands and their flags, and why a command in prose is none of these.

One file per engine, ``evidence/commands/<engine key>.json``, recorded by :mod:`drydock.engine.cli_help`.
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import functools
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drydock import ROOT
from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model.evidence import DEFAULT_ENGINE

SCHEMA = 1
RUN = "nox -s record -- tests/harness/test_commands.py"
#: A command in prose: maybe variables or sudo, the program, and at least one word for it.
_COMMAND = re.compile(r"""(?:(?:\w+=(?:"[^"]*"|'[^']*'|[^\s"'])*|sudo|time)\s+)*(?:docker|podman)\s+\S""")
#: A word that stands for others: ``...``, ``COMMAND``, ``<command>``, ``[OPTIONS]``, ``$name``.
_STAND_FOR = re.compile(r"\.{3}|…|[<\[{$(*]|[A-Z][A-Z_|-]*$")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")


@dataclass(frozen=True)
class Command:
    """One command of a program.

    :ivar flags: by name, ``--detach`` and ``-d``; whether the flag takes a value. ``--help`` is not among them.
    :ivar passes: whether flags behind the first argument are not its own, as with ``docker run IMAGE [ARG...]``.
    """

    flags: Mapping[str, bool] = field(default_factory=dict)
    passes: bool = False


@dataclass(frozen=True)
class Program:
    """A program such as ``docker``, with all its commands.

    :ivar versions: of the program and its plugins, by name.
    :ivar commands: by the words behind the program, such as ``compose up``; the program itself is "".
    :ivar aliases: other words for a command, and that command's.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def command(self, path: str) -> Command | None:
        """Return the command `path`, such as ``compose up``, or None."""
        return self.commands.get(self.aliases.get(path, path))

    @functools.cached_property
    def below(self) -> Mapping[str, frozenset[str]]:
        """The subcommands of every command that has some."""
        found: dict[str, set[str]] = {}
        for path in filter(None, (*self.commands, *self.aliases)):
            parent, _, name = path.rpartition(" ")
            found.setdefault(parent, set()).add(name)
        return {parent: frozenset(names) for parent, names in found.items()}


@dataclass(frozen=True)
class CommandSet:
    """The programs of one engine, by name.

    :ivar engine: the key of that engine, such as ``docker-28.5``.
    """

    engine: str
    programs: Mapping[str, Program] = field(default_factory=dict)

    def problem(self, text: str) -> str:
        """Return why the inline command `text` is not one that its program knows, or "".

        What is not a command of a recorded program has no problem. Of a pipe or list, every such command is looked at.
        """
        if not is_command(text):
            return ""
        try:
            parts = list(_parts(text))
        except ValueError as error:
            return f"a shell cannot read it: {str(error).lower()}"
        problems = (_problem(part[0], self.programs[part[0]], part[1:]) for part in parts if part[0] in self.programs)
        return next(filter(None, problems), "")


def is_command(text: str) -> bool:
    """Say whether the inline code `text` is a command: ``docker ps`` is, ``docker`` and ``docker-compose`` are not."""
    return _COMMAND.match(text.strip()) is not None


def _parts(text: str) -> Iterator[list[str]]:
    """Return the words of each command in `text`, the program first.

    :raises ValueError: a quotation does not end.
    """
    for inner in _SUBSTITUTION.findall(text):
        yield from _parts(inner)
    # A line that goes on is one with the next; any other line is a command of its own.
    lines = _SUBSTITUTION.sub("…", text).replace("\\\n", " ")
    lexer = shlex.shlex(lines, posix=True, punctuation_chars="|;&\n")
    lexer.whitespace_split, lexer.commenters, lexer.whitespace = True, "", " \t\r"
    part: list[str] = []
    for word in [*lexer, ";"]:
        if word.strip("|;&\n"):
            if part or not re.match(r"\w+=|sudo$|time$", word):
                part.append(word)
        elif part:
            yield part
            part = []


def _problem(name: str, program: Program, words: Iterable[str]) -> str:
    """Return what is wrong with the `words` behind the program `name`, read as that program would read them."""
    path, rest = "", iter(words)
    for word in rest:
        command = program.command(path) or Command()
        subcommands = program.below.get(path, frozenset())
        if word.startswith("-") and word != "-":
            flag, takes = _flag(command, word)
            if flag:
                return _unknown_flag(f"{name} {path}".rstrip(), flag, command)
            if takes:
                next(rest, "")
        elif subcommands:
            if _STAND_FOR.match(word) or word == "help":
                return ""
            if word not in subcommands:
                shown = f"{name} {path}".rstrip()
                return f"the help of {shown} names no command {word!r}{did_you_mean(word, subcommands)}"
            path = f"{path} {word}".lstrip()
        elif command.passes:
            return ""
        if word == "--":
            return ""
    return ""


def _flag(command: Command, word: str) -> tuple[str, bool]:
    """Return the flag in `word` that `command` does not know, or "", and whether the next word is a value."""
    name, equals, _ = word.partition("=")
    if name in ("--", "--help") or "..." in name or "…" in name:
        return "", False
    if name.startswith("--"):
        known = name in command.flags or ("*" in name and bool(fnmatch.filter(command.flags, name)))
        return ("" if known else name), command.flags.get(name, False) and not equals
    for index, letter in enumerate(name[1:], start=1):
        short = f"-{letter}"
        if short not in command.flags:
            return short, False
        if command.flags[short]:
            return "", index == len(word) - 1
    return "", False


def _unknown_flag(command: str, flag: str, known: Command) -> str:
    names = [name for name in known.flags if name.startswith("--")]
    similar = difflib.get_close_matches(flag, names, n=3) if flag.startswith("--") else []
    hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
    return f"the help of {command} names no flag {flag}{hint}"


# The file


def commands_file(key: str, top: Path = ROOT) -> Path:
    """Return where the commands of the engine `key` are kept."""
    return top / "evidence" / "commands" / f"{key}.json"


def load_commands(key: str = DEFAULT_ENGINE, top: Path = ROOT) -> CommandSet:
    """Return the recorded commands of the engine `key`.

    :raises MissingError: none were recorded; the message says what to run.
    :raises MalformedError: the file is not one of this schema; the message says what to run.
    """
    place = commands_file(key, top)
    shown = place.relative_to(top).as_posix()
    if not place.is_file():
        raise MissingError(f"the commands of {key} were never recorded; run: {RUN}")
    remedy = f"delete it and run: {RUN}"
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise MalformedError(shown, 0, f"schema {data['schema']}, this Drydock reads {SCHEMA}; {remedy}")
        if data["engine"] != key:
            raise MalformedError(shown, 0, f"it speaks of the engine {data['engine']!r}; {remedy}")
        return CommandSet(key, {str(name): _program(program) for name, program in data["programs"].items()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedError(
            shown, 0, f"not an engine's commands ({type(error).__name__}: {error}); {remedy}"
        ) from error


def _program(data: dict[str, Any]) -> Program:
    program = Program(**data)
    commands = {path: Command(**command) for path, command in program.commands.items()}  # type: ignore[arg-type]
    for path, command in commands.items():
        if not all(type(takes) is bool for takes in (command.passes, *command.flags.values())):
            raise ValueError(f"command {path!r}")
    if "" not in commands or not set(program.aliases.values()) <= set(commands):
        raise ValueError("an alias of no command, or no command at all")
    return dataclasses.replace(program, commands=commands)


def load_known(top: Path = ROOT) -> CommandSet:
    """Return the commands that the site's prose is held to: the default engine's, and a recorded Podman's.

    :raises MissingError: those of the default engine were never recorded.
    :raises MalformedError: a file is not one of this schema.
    """
    podman = [load_commands(place.stem, top) for place in sorted(commands_file("", top).parent.glob("podman-*.json"))]
    default = load_commands(top=top)
    programs = {name: program for each in [*podman, default] for name, program in each.programs.items()}
    return dataclasses.replace(default, programs=programs)


def commands_digest(top: Path = ROOT) -> str:
    """Return a digest of all recorded commands, or "" when there are none."""
    places = sorted(commands_file("", top).parent.glob("*.json"))
    contents = b"".join(place.name.encode() + b"\0" + place.read_bytes() for place in places)
    return hashlib.sha256(contents).hexdigest() if contents else ""


def save_commands(commands: CommandSet, top: Path = ROOT) -> bool:
    """Write `commands` and say whether the file changed. The file is replaced whole or not at all."""
    place = commands_file(commands.engine, top)
    text = json.dumps({"schema": SCHEMA, **dataclasses.asdict(commands)}, indent=1, sort_keys=True) + "\n"
    if place.is_file() and place.read_text(encoding="utf-8") == text:
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(place)
    return True
