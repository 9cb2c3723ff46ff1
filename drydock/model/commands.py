"""The commands and flags of an engine's command line, and a check of inline commands against them.

:mod:`drydock.engine.cli_help` records one file per engine, ``evidence/commands/<engine key>.json``.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drydock import ROOT, store
from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model.evidence import DEFAULT_ENGINE, engine_rank

SCHEMA = 1
RECORD_COMMAND = "nox -s record -- tests/harness/test_commands.py"
#: An inline command: optional variables or sudo, the program, and at least one argument.
_COMMAND = re.compile(r"""(?:(?:\w+=(?:"[^"]*"|'[^']*'|[^\s"'])*|sudo|time)\s+)*(?:docker|podman)\s+\S""")
#: A placeholder: ``...``, ``COMMAND``, ``<command>``, ``[OPTIONS]``, ``$name``.
_PLACEHOLDER = re.compile(r"\.{3}|…|[<\[{$(*]|[A-Z][A-Z_|-]*$")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")


@dataclass(frozen=True)
class Command:
    """One command of a program.

    :ivar flags: whether each flag takes a value, by name, ``--detach`` and ``-d``; without ``--help``.
    :ivar passes: whether flags after the first argument belong to that argument, as with ``docker run IMAGE [ARG...]``.
    """

    flags: Mapping[str, bool] = field(default_factory=dict)
    passes: bool = False


@dataclass(frozen=True)
class Program:
    """A program such as ``docker``, with all its commands.

    :ivar versions: of the program and its plugins, by name.
    :ivar commands: by the arguments after the program, such as ``compose up``; the program itself is "".
    :ivar aliases: other arguments for a command, and that command's.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "" not in self.commands:
            raise ValueError("a program without the command ''")
        targets = {*self.aliases.values()} - {*self.commands}
        if targets:
            raise ValueError(f"an alias of an unknown command, {min(targets)!r}")

    def command(self, path: str) -> Command:
        """Return the command `path`, such as ``compose up``; one without flags if there is none."""
        return self.commands.get(self.aliases.get(path, path), Command())

    @functools.cached_property
    def subcommands(self) -> Mapping[str, frozenset[str]]:
        """The names of the subcommands of each command that has any."""
        names: dict[str, set[str]] = {}
        for path in filter(None, (*self.commands, *self.aliases)):
            parent, _, name = path.rpartition(" ")
            names.setdefault(parent, set()).add(name)
        return {parent: frozenset(children) for parent, children in names.items()}


@dataclass(frozen=True)
class CommandSet:
    """The programs of one engine, by name.

    :ivar engine: the key of that engine, such as ``docker-28.5``.
    """

    engine: str
    programs: Mapping[str, Program]

    def problem(self, text: str) -> str:
        """Return why the program of the inline command `text` rejects it, or "".

        Text that isn't a command of a recorded program has no problem. Every command of a pipe or list is checked.
        """
        if not is_command(text):
            return ""
        try:
            commands = list(_split_commands(text))
        except ValueError as error:
            return f"a shell cannot read it: {str(error).lower()}"
        recorded = [(name, arguments) for name, *arguments in commands if name in self.programs]
        problems = (_find_problem(name, self.programs[name], arguments) for name, arguments in recorded)
        return next(filter(None, problems), "")


def is_command(text: str) -> bool:
    """Whether the inline code `text` is a command: ``docker ps`` is, ``docker`` and ``docker-compose`` are not."""
    return _COMMAND.match(text.strip()) is not None


def _split_commands(text: str) -> Iterator[list[str]]:
    """Yield the program and the arguments of each command in `text`.

    :raises ValueError: a quotation does not end.
    """
    for inner in _SUBSTITUTION.findall(text):
        yield from _split_commands(inner)
    # A continued line is joined to the next one; any other line is a separate command.
    lines = _SUBSTITUTION.sub("…", text).replace("\\\n", " ")
    lexer = shlex.shlex(lines, posix=True, punctuation_chars="|;&\n")
    lexer.whitespace_split, lexer.commenters, lexer.whitespace = True, "", " \t\r"
    command: list[str] = []
    for word in [*lexer, ";"]:
        if word.strip("|;&\n"):
            if command or not re.match(r"\w+=|sudo$|time$", word):
                command.append(word)
        elif command:
            yield command
            command = []


def _find_problem(name: str, program: Program, arguments: Iterable[str]) -> str:
    """Return why the program `name` rejects the `arguments`, or ""."""
    path, rest = "", iter(arguments)
    for word in rest:
        command, subcommands = program.command(path), program.subcommands.get(path)
        shown = f"{name} {path}".rstrip()
        if word == "--":
            return ""
        if word.startswith("-") and word != "-":
            unknown, takes_value = _read_flag(command, word)
            if unknown:
                return _reject_flag(shown, unknown, command)
            if takes_value:
                next(rest, "")
        elif subcommands:
            if _PLACEHOLDER.match(word) or word == "help":
                return ""
            if word not in subcommands:
                return f"the help of {shown} names no command {word!r}{did_you_mean(word, subcommands)}"
            path = f"{path} {word}".lstrip()
        elif command.passes:
            return ""
    return ""


def _read_flag(command: Command, word: str) -> tuple[str, bool]:
    """Return the flag in `word` that `command` lacks, or "", and whether the next word is a value."""
    name, equals, _ = word.partition("=")
    if name == "--help" or "..." in name or "…" in name:
        return "", False
    if name.startswith("--"):
        exists = name in command.flags or ("*" in name and bool(fnmatch.filter(command.flags, name)))
        return ("" if exists else name), command.flags.get(name, False) and not equals
    for index, letter in enumerate(name[1:], start=1):
        short = f"-{letter}"
        if short not in command.flags:
            return short, False
        if command.flags[short]:
            return "", index == len(word) - 1
    return "", False


def _reject_flag(shown: str, flag: str, command: Command) -> str:
    names = [name for name in command.flags if name.startswith("--")]
    similar = difflib.get_close_matches(flag, names, n=3) if flag.startswith("--") else []
    hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
    return f"the help of {shown} names no flag {flag}{hint}"


# The file


@dataclass(frozen=True)
class _CommandsFile:
    """The content of a commands file."""

    schema: int
    engine: str
    programs: Mapping[str, Program]

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema {self.schema}, this Drydock reads {SCHEMA}")


def commands_file(key: str, top: Path = ROOT) -> Path:
    """Return the path of the commands of the engine `key`."""
    return top / "evidence" / "commands" / f"{key}.json"


def newest_engine(top: Path = ROOT) -> str:
    """Return the key of the newest Docker whose commands were recorded, or that of the default engine."""
    keys = [path.stem for path in commands_file("", top).parent.glob("*.json") if engine_rank(path.stem)]
    return max(keys, key=engine_rank, default=DEFAULT_ENGINE)


def load_commands(key: str = "", top: Path = ROOT) -> CommandSet:
    """Return the recorded commands of the engine `key`, by default of the newest Docker.

    :raises MissingError: none were recorded; the message names the command to run.
    :raises MalformedError: the file isn't JSON of this schema; the message names the command to run.
    """
    key = key or newest_engine(top)
    path = commands_file(key, top)
    shown = path.relative_to(top).as_posix()
    if not path.is_file():
        raise MissingError(f"the commands of {key} were never recorded; run: {RECORD_COMMAND}")
    remedy = f"delete it and run: {RECORD_COMMAND}"
    stored = store.load_json(_CommandsFile, path, shown, remedy)
    if stored.engine != key:
        raise MalformedError(shown, 0, f"it is about the engine {stored.engine!r}; {remedy}")
    return CommandSet(key, stored.programs)


def load_known(top: Path = ROOT) -> CommandSet:
    """Return the commands for checking the site's prose: the newest Docker's, and those of a recorded Podman.

    :raises MissingError: none were recorded.
    :raises MalformedError: a file isn't JSON of this schema.
    """
    podman = [load_commands(path.stem, top) for path in sorted(commands_file("", top).parent.glob("podman-*.json"))]
    newest = load_commands(top=top)
    programs = {name: program for commands in [*podman, newest] for name, program in commands.programs.items()}
    return CommandSet(newest.engine, programs)


def commands_digest(top: Path = ROOT) -> str:
    """Return the sha256 (hex) of all recorded commands, or "" if there are none."""
    paths = sorted(commands_file("", top).parent.glob("*.json"))
    contents = b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in paths)
    return hashlib.sha256(contents).hexdigest() if contents else ""


def save_commands(commands: CommandSet, top: Path = ROOT) -> bool:
    """Write `commands` and return whether the file changed."""
    path = commands_file(commands.engine, top)
    return store.save_json(path, _CommandsFile(SCHEMA, commands.engine, commands.programs))
