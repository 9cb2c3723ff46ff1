"""The commands of an engine's command line: inline commands checked against them, their file, and the help."""

from __future__ import annotations

import json

import pytest

from drydock.engine import cli_help
from drydock.engine.cli_help import read_help
from drydock.errors import MalformedError, MissingError
from drydock.model import commands, example as examples
from drydock.model.commands import Command, CommandSet, Program, is_command

RUN = {"--rm": False, "-i": False, "-t": False, "-d": False, "--name": True, "-e": True, "-p": True}
DOCKER = Program(
    versions={"docker": "28.5.2"},
    commands={
        "": Command({"--host": True, "-H": True, "--version": False, "-v": False}),
        "build": Command({"--tag": True, "-t": True, "--no-cache": False}),
        "compose": Command({"--file": True, "-f": True}),
        "compose exec": Command({"-T": False}, passes=True),
        "compose up": Command({"--detach": False, "-d": False, "--wait": False}),
        "container": Command(),
        "image": Command(),
        "image prune": Command({"--all": False, "-a": False}),
        "ps": Command({"--all": False, "-a": False, "--quiet": False, "-q": False}),
        "rm": Command({"--force": False, "-f": False}),
        "run": Command({**RUN, "--health-cmd": True, "--health-retries": True}, passes=True),
    },
    aliases={"container ls": "ps", "container run": "run"},
)
KNOWN = CommandSet("docker-28.5", {"docker": DOCKER})


@pytest.mark.parametrize(
    "text",
    [
        "docker",
        "docker --version",
        "docker -v",
        "docker help run",
        "docker ps",
        "docker ps --help",
        "docker ps -aq",
        "docker ps --all=false",
        "docker container ls -a",
        "docker image",
        "docker image prune --all",
        "docker build .",
        "docker build -t greeting . --no-cache",
        "docker build -",
        "docker run ...",
        "docker run … IMAGE",
        "docker run -it --rm debian",
        "docker run -p8080:80 -e A=-x --name --odd web",
        "docker run --rm debian ls --color -Z",
        "docker run --health-*",
        "docker container run --rm x --flag-of-x",
        "docker rm -- --odd",
        "docker --host tcp://box ps -q",
        "docker -H=tcp://box ps",
        "docker compose -f a.yaml -f b.yaml up -d --wait",
        "docker compose exec -T web sh -c 'exit 7; true'",
        "docker COMMAND --help",
        "docker <command> --nothing",
        "docker compose ...",
        "docker $COMMAND",
        "DOCKER_HOST=tcp://box A='b c' docker ps",
        "sudo docker ps",
        "docker ps -aq | head --lines=2",
        "docker rm -f $(docker ps -aq)",
        "docker build . && docker run --rm greeting 2>&1",
        "podman pods --nothing",
        "docker-compose upp",
        "docker.io upp",
        "docker0",
        "ls docker upp",
    ],
)
def test_a_command_that_is_known_has_no_problem(text):
    """A command with known arguments and flags has no problem, nor has any text that isn't a command."""
    assert KNOWN.problem(text) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("docker pss", "the help of docker names no command 'pss'; did you mean ps? there are: ps, build"),
        ("docker image prone", "the help of docker image names no command 'prone'; did you mean prune?"),
        ("docker compose upp -d", "the help of docker compose names no command 'upp'; did you mean up?"),
        ("docker ps --al", "the help of docker ps names no flag --al; did you mean --all?"),
        ("docker ps -aqz", "the help of docker ps names no flag -z"),
        ("docker run --rmm debian", "the help of docker run names no flag --rmm; did you mean --rm?"),
        ("docker run --nothing-*", "the help of docker run names no flag --nothing-*"),
        ("docker container ls --rm", "the help of docker container ls names no flag --rm"),
        ("docker rm web --fource", "the help of docker rm names no flag --fource; did you mean --force?"),
        ("docker ps --host tcp://box", "the help of docker ps names no flag --host"),
        ("docker --hots=box ps", "the help of docker names no flag --hots; did you mean --host?"),
        ("docker compose up --file a.yaml", "the help of docker compose up names no flag --file"),
        ("docker compose exec -x web", "the help of docker compose exec names no flag -x"),
        ("A=b docker ps -z | head", "the help of docker ps names no flag -z"),
        ("docker build . && docker rum", "the help of docker names no command 'rum'; did you mean rm?"),
        ("docker rm $(docker ps --ids)", "the help of docker ps names no flag --ids"),
        ("docker run 'debian", "a shell cannot read it: no closing quotation"),
    ],
)
def test_an_unknown_word_or_flag_is_named(text, problem):
    """An unknown subcommand or flag is named, with similar ones."""
    assert KNOWN.problem(text).startswith(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker ps", True),
        ("A=b docker ps", True),
        ("docker", False),
        ("docker-compose up", False),
        ("dockers x", False),
    ],
)
def test_a_name_is_told_from_a_command(text, expected):
    """A program's name alone isn't a command, nor is a longer name."""
    assert is_command(text) is expected


def test_podman_is_held_to_its_own_commands(tmp_path):
    """Podman's commands are checked if those of a Podman are recorded."""
    commands.save_commands(KNOWN, tmp_path)
    assert commands.load_known(tmp_path).problem("podman pods") == ""

    podman = Program({"podman": "5.4.2"}, {"": Command(), "pod": Command()})
    commands.save_commands(CommandSet("podman-5.4", {"podman": podman}), tmp_path)
    known = commands.load_known(tmp_path)

    assert known.problem("podman pods").startswith("the help of podman names no command 'pods'")
    assert known.problem("docker pss")


def test_lines_are_commands_of_their_own():
    """Each line is a command, unless it continues the line before."""
    assert KNOWN.problem("docker ps\ndocker run --rm busybox") == ""
    assert KNOWN.problem("docker run \\\n  --rm busybox") == ""
    assert "--nothing" in KNOWN.problem("docker ps\ndocker run --nothing busybox")


def test_what_ran_is_known():
    """The recorded commands include each command of a transcript that succeeded."""
    known = commands.load_commands()
    ran = [
        step.command
        for example in examples.load_examples().values()
        for name in example.transcripts
        for step in example.transcript(name).steps
        if not step.status and is_command(step.command)
    ]

    assert ran
    assert {text: problem for text in ran if (problem := known.problem(text))} == {}


# The file


def test_a_file_says_what_was_saved(tmp_path):
    """Saved commands are loaded again; saving the same doesn't change the file, which has one value per line."""
    assert commands.save_commands(KNOWN, tmp_path) is True
    assert commands.save_commands(KNOWN, tmp_path) is False
    assert commands.load_commands(top=tmp_path) == KNOWN
    assert '      "--detach": false,\n' in commands.commands_file("docker-28.5", tmp_path).read_text()


def test_never_recorded_says_what_to_run(tmp_path):
    """Without a file, the message names the command to run, and the digest is empty."""
    with pytest.raises(
        MissingError, match=r"docker-28\.5-containerd were never recorded; run: nox -s record -- tests/harness"
    ):
        commands.load_commands(top=tmp_path)
    assert commands.commands_digest(tmp_path) == ""


def test_the_newest_docker_is_the_one_to_check_against(tmp_path):
    """Of the recorded commands, prose is checked against those of the newest Docker, in numbers and not in letters."""
    for key in ("docker-28.5", "docker-9.12-containerd", "docker-28.10", "podman-99.1"):
        commands.save_commands(CommandSet(key, KNOWN.programs), tmp_path)

    assert commands.newest_engine(tmp_path) == "docker-28.10"


def _changed(**changes):
    return json.dumps({"schema": 1, "engine": "docker-28.5", "programs": {}, **changes})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", ":1: Expecting property name"),
        ("[]", ": it is [], not a table"),
        (_changed(schema=9), "schema 9, this Drydock reads 1"),
        (_changed(engine="docker-1.0"), "it is about the engine 'docker-1.0'"),
        (_changed(programs={"docker": {"commands": {}}}), "a program without the command ''"),
        (
            _changed(programs={"docker": {"commands": {"": {}}, "aliases": {"a": "b"}}}),
            "alias of an unknown command, 'b'",
        ),
        (
            _changed(programs={"docker": {"commands": {"": {"flags": {"--a": "yes"}}}}}),
            "--a is 'yes', not true or false",
        ),
        (
            _changed(programs={"docker": {"command": {}}}),
            "programs.docker has an unknown key 'command'",
        ),
    ],
)
def test_a_malformed_file_says_what_to_run(tmp_path, text, problem):
    """A file of another schema, engine or form is refused, with the command to run."""
    place = commands.commands_file("docker-28.5", tmp_path)
    place.parent.mkdir(parents=True)
    place.write_text(text)

    with pytest.raises(MalformedError) as caught:
        commands.load_commands(top=tmp_path)
    assert str(caught.value).startswith("evidence/commands/docker-28.5.json:")
    assert problem in str(caught.value)
    assert str(caught.value).endswith("delete it and run: nox -s record -- tests/harness/test_commands.py")


# Reading help

ROOT_HELP = """\
Usage:  docker [OPTIONS] COMMAND

A self-sufficient runtime for containers

Common Commands:
  run         Create and run a new container from an image

Management Commands:
  compose*    Docker Compose
  scout*      Docker Scout

Global Options:
      --config string      Location of client config files (default
                           "$HOME/.docker")
  -D, --debug              Enable debug mode

Run 'docker COMMAND --help' for more information on a command.
"""
RUN_HELP = """\
Usage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]

Create and run a new container from an image

Aliases:
  docker container run, docker run

Options:
      --annotation map                   Add an annotation (default map[])
  -d, --detach                           Run container in background and
                                         print container ID, unless
                                         --attach is given
      --health-start-interval duration   Time between running the check
      --help                             Print usage
  -v, --volume list                      Bind mount a volume
"""
PODMAN_HELP = """\
List images in local storage

Description:
  Lists images previously pulled to the system.
  --this is no flag

Usage:
  podman image list [options] [IMAGE]

Aliases:
  list, ls

Examples:
  podman image list --format json

Options:
  -a, --all                  Show all images
      --detach-keys [a-Z]    Override the key sequence
      --format string        Change the output format
      --pull string[="true"]   Pull policy
"""


def test_the_programs_own_help_is_read():
    """Commands and flags are read from all their sections; a plugin that not every engine has is left out."""
    page = read_help(ROOT_HELP, "docker")

    assert page.subcommands == ("run", "compose")
    assert page.command == Command({"--config": True, "-D": False, "--debug": False})
    assert page.names == ()


def test_a_commands_help_is_read():
    """A flag's value is told from its explanation, and a command that hands arguments on is known by its usage."""
    page = read_help(RUN_HELP, "docker")

    detach = {"-d": False, "--detach": False}
    assert page.command.flags == {
        "--annotation": True, **detach, "--health-start-interval": True, "-v": True, "--volume": True
    }  # fmt: skip
    assert page.command.passes
    assert page.names == ("run", "container run", "run")


def test_podmans_help_is_read():
    """Podman's layout is read as well: usage on a line of its own, aliases by their last word, values that may lack."""
    page = read_help(PODMAN_HELP, "podman")

    assert page.command == Command(
        {"-a": False, "--all": False, "--detach-keys": True, "--format": True, "--pull": False}
    )
    assert page.names == ("image list", "image list", "image ls")


@pytest.mark.parametrize("entry", ["auto-update Auto update containers", "ls          List things"])
def test_a_long_name_is_read(entry):
    """A name that fills its column is read like a short one."""
    text = f"Usage:\n  podman [command]\n\nAvailable Commands:\n  {entry}\n  help        Help\n"

    assert read_help(text, "podman").subcommands == (entry.split()[0],)


def test_a_command_of_many_names_stands_once():
    """The name with the fewest words stands, then the one in the usage; the rest are its aliases."""
    build = read_help(
        "Usage:  docker buildx build [OPTIONS] PATH\n\nAliases:\n  docker build, docker buildx b\n", "docker"
    )
    buildx = read_help("Usage:  docker buildx COMMAND\n", "docker")
    pages = {"": read_help(ROOT_HELP, "docker"), "build": build, "builder": buildx, "buildx": buildx}

    assert cli_help.command_aliases(pages) == {"buildx build": "build", "buildx b": "build", "builder": "buildx"}
