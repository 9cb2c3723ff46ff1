"""The commands of an engine's command line, read from the help that it gives of itself."""

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

#: The plugins that every engine's client has to have. Which others there are differs from machine to machine.
PLUGINS = ("buildx", "compose")
#: Seconds that one page of help may take.
TIMEOUT = 30.0

#: In help: ``  -e, --env list   Set ...`` and ``  compose*  Docker Compose``.
_FLAG = re.compile(r" {2,6}(?:(-\w), )?(--[\w-]+)(?:\[=\S*)?(?: (\S+))?(?: {2,}|$)")
_ENTRY = re.compile(r"  ([a-z][\w-]*)(\*?) +\S")


@dataclass(frozen=True)
class Help:
    """What one page of help says.

    :ivar subcommands: the names of the commands below it.
    :ivar names: what the command calls itself, each with the words before it; the one in its usage comes first.
    """

    command: Command
    subcommands: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def record_commands(engine: Engine) -> CommandSet:
    """Return what the engine's command line says of itself: each command's help is asked for, without the engine.

    A client that reaches its engine leaves out what that engine could not do at this moment, such as Swarm's commands.

    :raises EngineError: there is no such program, or it does not give help.
    """
    name = program_name(engine)
    place = shutil.which(name, path=engine.client["PATH"])
    if place is None:
        raise EngineError(f"no {name} command on the PATH")
    environment = {**engine.environment, "DOCKER_HOST": "unix:///nowhere"}

    def ask(words: str) -> str:
        command = [place, *words.split()]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT
        )
        if done.returncode or not done.stdout:
            raise EngineError(f"{name} {words}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout

    pages = _read_pages(lambda path: read_help(ask(f"{path} --help"), name))
    plugins = {plugin: engine.facts[plugin] for plugin in PLUGINS if plugin in pages}
    others = command_aliases(pages)
    commands = {path: page.command for path, page in pages.items() if path not in others}
    versions = {name: _find_version(ask("--version")), **plugins}
    return CommandSet(engine.key, {name: Program(versions, commands, others)})


def _read_pages(ask: Callable[[str], Help]) -> dict[str, Help]:
    """Return the help of each command, from the top down. What is another name for a command is not asked for."""
    pages: dict[str, Help] = {}
    asked = [""]
    with ThreadPoolExecutor() as pool:
        while asked:
            fresh = dict(zip(asked, pool.map(ask, asked), strict=True))
            pages |= fresh
            below = [f"{path} {name}".lstrip() for path, page in fresh.items() for name in page.subcommands]
            others = command_aliases(pages)
            asked = [path for path in below if path not in others]
    return pages


def command_aliases(pages: Mapping[str, Help]) -> dict[str, str]:
    """Return the other names of commands. The name with the fewest words stands, then the one in its usage."""
    named: dict[str, str] = {}
    for path, page in sorted(pages.items(), key=lambda item: (item[0].count(" "), item[0] not in item[1].names[:1])):
        stands = next((named[name] for name in (path, *page.names) if name in named), path)
        named = {**dict.fromkeys((path, *page.names), stands), **named}
    return {name: path for name, path in named.items() if name != path}


def program_name(engine: Engine) -> str:
    """Return the name of the program that the engine is at home with."""
    return "podman" if engine.facts["name"] == "Podman" else "docker"


def _find_version(said: str) -> str:
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found else said.strip()


def read_help(text: str, program: str) -> Help:
    """Return what the help `text` of a command says; its layout is that of Docker, its plugins and Podman."""
    flags: dict[str, bool] = {}
    subcommands: list[str] = []
    section = ""
    for line in text.splitlines():
        heading = re.match(r"(\w[\w ]*):", line)
        section = heading[1] if heading else section
        flag, entry = _FLAG.match(line), _ENTRY.match(line)
        if flag and section.endswith("Options"):
            takes = bool(flag[3]) and "[=" not in flag[3]
            flags |= {name: takes for name in (flag[1], flag[2]) if name and name != "--help"}
        elif entry and section.endswith("Commands") and (not entry[2] or entry[1] in PLUGINS) and entry[1] != "help":
            subcommands.append(entry[1])
    usage = re.search(rf"^Usage:\s+{program}((?: [a-z][\w-]*)*)(.*)", text, re.MULTILINE)
    own, arguments = (usage[1].strip(), usage[2]) if usage else ("", "")
    command = Command(flags, re.search(r"ARGS?\.\.\.|ps OPTIONS", arguments) is not None)
    return Help(command, tuple(subcommands), tuple(_command_names(text, program, own)))


def _command_names(text: str, program: str, own: str) -> Iterator[str]:
    """Return `own`, then the names under ``Aliases``: Docker writes all words of each, Podman only the last."""
    yield from [own] if own else []
    parent = own.rpartition(" ")[0]
    found = re.search(r"^Aliases:\n\s+(.*)", text, re.MULTILINE)
    for name in found[1].split(",") if found else []:
        first, _, rest = name.strip().partition(" ")
        yield rest if first == program and rest else f"{parent} {first}".lstrip()
