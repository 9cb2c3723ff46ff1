"""Reads the commands of an engine's command line, and their flags, from the output of ``--help``."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from drydock.engine.client import Engine
from drydock.errors import EngineError
from drydock.model.commands import Command, CommandSet, Program

#: The plugins that every engine's client must have. Others differ from machine to machine, and are left out.
PLUGINS = ("buildx", "compose")
#: Seconds for one ``--help``.
TIMEOUT = 30.0

#: ``  -e, --env list   Set ...`` and ``  compose*  Docker Compose``.
_FLAG = re.compile(r" {2,6}(?:(-\w), )?(--[\w-]+)(?:\[=\S*)?(?: (\S+))?(?: {2,}|$)")
_ENTRY = re.compile(r"  ([a-z][\w-]*)(\*?) +\S")


@dataclass(frozen=True)
class Help:
    """The parsed help of one command.

    :ivar subcommands: the names of its subcommands.
    :ivar names: its full names, such as ``image build``; that of its usage line comes first.
    """

    command: Command
    subcommands: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def record_commands(engine: Engine) -> CommandSet:
    """Return all commands of the engine's command line.

    The client runs without its engine: if it reaches it, it hides commands that don't work now, such as Swarm's.

    :raises EngineError: the program is missing, or its help fails.
    """
    name = program_name(engine)
    program = shutil.which(name, path=engine.client["PATH"])
    if program is None:
        raise EngineError(f"no {name} command on the PATH")
    environment = {**engine.environment, "DOCKER_HOST": "unix:///nowhere"}

    def run(arguments: str) -> str:
        command = [program, *arguments.split()]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT
        )
        if done.returncode or not done.stdout:
            raise EngineError(f"{name} {arguments}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout

    pages = _read_pages(lambda path: read_help(run(f"{path} --help"), name))
    plugins = {plugin: engine.facts[plugin] for plugin in PLUGINS if plugin in pages}
    aliases = command_aliases(pages)
    commands = {path: page.command for path, page in pages.items() if path not in aliases}
    versions = {name: _find_version(run("--version")), **plugins}
    return CommandSet(engine.key, {name: Program(versions, commands, aliases)})


def _read_pages(read: Callable[[str], Help]) -> dict[str, Help]:
    """Return the help of each command, level by level, without that of aliases."""
    pages: dict[str, Help] = {}
    paths = [""]
    with ThreadPoolExecutor() as pool:
        while paths:
            level = dict(zip(paths, pool.map(read, paths), strict=True))
            pages |= level
            aliases = command_aliases(pages)
            below = [f"{path} {name}".lstrip() for path, page in level.items() for name in page.subcommands]
            paths = [path for path in below if path not in aliases]
    return pages


def command_aliases(pages: Mapping[str, Help]) -> dict[str, str]:
    """Return alias -> command. Of a command's names, the shortest counts, then that of its usage line."""
    commands: dict[str, str] = {}
    for path, page in sorted(pages.items(), key=lambda item: (item[0].count(" "), item[0] not in item[1].names[:1])):
        command = next((commands[name] for name in (path, *page.names) if name in commands), path)
        commands = {**dict.fromkeys((path, *page.names), command), **commands}
    return {name: command for name, command in commands.items() if name != command}


def program_name(engine: Engine) -> str:
    """Return the name of the engine's command: ``docker`` or ``podman``."""
    return "podman" if engine.facts["name"] == "Podman" else "docker"


def _find_version(text: str) -> str:
    version = re.search(r"\d+(?:\.\d+)+", text)
    return version[0] if version else text.strip()


def read_help(text: str, program: str) -> Help:
    """Parse the output of a command's ``--help``, in the format of Docker, its plugins, and Podman."""
    usage = re.search(rf"^Usage:\s+{program}((?: [a-z][\w-]*)*)(.*)", text, re.MULTILINE)
    name, arguments = (usage[1].strip(), usage[2]) if usage else ("", "")
    command = Command(_parse_flags(text), re.search(r"ARGS?\.\.\.|ps OPTIONS", arguments) is not None)
    return Help(command, tuple(_parse_subcommands(text)), tuple(_command_names(text, program, name)))


def _parse_flags(text: str) -> dict[str, bool]:
    """Return flag -> whether it takes a value."""
    flags: dict[str, bool] = {}
    for flag in filter(None, map(_FLAG.match, _section_lines(text, "Options"))):
        takes_value = bool(flag[3]) and "[=" not in flag[3]
        flags |= {option: takes_value for option in (flag[1], flag[2]) if option and option != "--help"}
    return flags


def _parse_subcommands(text: str) -> Iterator[str]:
    for entry in filter(None, map(_ENTRY.match, _section_lines(text, "Commands"))):
        name, is_plugin = entry[1], bool(entry[2])
        if name != "help" and (not is_plugin or name in PLUGINS):
            yield name


def _section_lines(text: str, kind: str) -> Iterator[str]:
    """Yield the lines of all sections whose heading, such as ``Management Commands:``, ends with `kind`."""
    section = ""
    for line in text.splitlines():
        heading = re.match(r"(\w[\w ]*):", line)
        section = heading[1] if heading else section
        if section.endswith(kind):
            yield line


def _command_names(text: str, program: str, usage_name: str) -> Iterator[str]:
    """Yield `usage_name` and the aliases. Docker lists full names, Podman only their last part."""
    if usage_name:
        yield usage_name
    parent = usage_name.rpartition(" ")[0]
    aliases = re.search(r"^Aliases:\n\s+(.*)", text, re.MULTILINE)
    for name in aliases[1].split(",") if aliases else []:
        first, _, rest = name.strip().partition(" ")
        yield rest if first == program and rest else f"{parent} {first}".lstrip()
