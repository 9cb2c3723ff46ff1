"""The commands in prose, on small sites that are built in-process: no engine, no network."""

from __future__ import annotations

import re

import pytest
from small_site import Site

from drydock.model import commands
from drydock.model.commands import Command, CommandSet, Program
from drydock.model.evidence import DEFAULT_ENGINE

DOCKER = Program(commands={"": Command(), "ps": Command({"-a": False}), "run": Command({"--rm": False}, passes=True)})
PODMAN = Program(commands={"": Command(), "ps": Command()})
FILE = "evidence/commands/docker-28.5.json"


class Recorded(Site):
    """A sound site, with the commands of a small ``docker`` recorded."""

    def commands(self, engine: str = "docker-28.5", **programs: Program) -> None:
        """Record the `programs` of the engine."""
        commands.save_commands(CommandSet(engine, programs or {"docker": DOCKER}), self.top)


@pytest.fixture
def site(tmp_path):
    """Return a sound site with recorded commands."""
    made = Recorded(tmp_path)
    made.commands()
    return made


def test_known_commands_are_no_news(site):
    """Commands that the engine knows, and inline code that is no command, build without a warning."""
    site.page("sound", "`docker ps -a`, `docker run --rm x --y`, `docker`, `docker-compose up`, `podman psst`")

    assert site.build("text").warnings == []


@pytest.mark.parametrize(
    ("body", "line", "problem"),
    [
        (
            "`docker pss`",
            3,
            "`docker pss`: the help of docker names no command 'pss'; did you mean ps? there are: ps, run",
        ),
        ("One.\nTwo.\nThree, `docker ps --al`.", 5, "`docker ps --al`: the help of docker ps names no flag --al"),
        ("**Strong\n`docker ps -z`**", 4, "`docker ps -z`: the help of docker ps names no flag -z"),
        ("- one\n- `docker ps -z`", 4, "`docker ps -z`: the help of docker ps names no flag -z"),
        ("| a |\n| --- |\n| `docker ps -z` |", 5, "`docker ps -z`: the help of docker ps names no flag -z"),
        ("{code}`docker ps -z`", 3, "`docker ps -z`: the help of docker ps names no flag -z"),
        ("## On `docker ps -z`", 3, "`docker ps -z`: the help of docker ps names no flag -z"),
    ],
)
def test_an_unknown_command_is_located(site, body, line, problem):
    """A command that the engine does not know is reported at its line, and again in the next build."""
    site.page("wrong", body)
    built, again = site.build("text"), site.build("text")

    [warning] = built.warnings
    assert warning == f"docs/wrong.md:{line}: WARNING: {problem} [example.command]"
    assert again.warnings == built.warnings


def test_an_unknown_command_of_a_readme_is_reported(site):
    """What an example says of itself is prose as well."""
    site.example("greeting", {"README.md": "# Greeting\n\nSays `docker hello`.\n", "Dockerfile": "FROM scratch\n"})

    assert any(
        re.match(r"docs/examples/greeting\.md:\d+: WARNING: `docker hello`: .*\[example\.command\]", text)
        for text in site.build("text").warnings
    )


def test_blocks_are_not_prose(site):
    """A command in a block is the engine's business, also one that is wrong on purpose."""
    site.example("greeting", {"Dockerfile": "FROM scratch\n", "transcripts/typo.console": "$ docker pss\n[exit 1]\n"})
    site.page("typo", ":::{transcript} greeting/typo\n:::")

    assert site.build("text").warnings == []


@pytest.mark.parametrize("parallel", [1, 2])
def test_never_recorded_is_said_once(site, parallel):
    """Without recorded commands there is one warning that says what to run, in each build, and none per command."""
    (site.top / FILE).unlink()
    for number in range(8):  # fewer pages are not read in parallel
        site.page(f"page{number}", "`docker ps` and `docker pss`")
    built, again = site.build("text", parallel), site.build("text", parallel)

    assert built.warnings == [
        f"evidence/commands/{DEFAULT_ENGINE}.json:1: WARNING: 16 commands in prose are not checked: "
        f"the commands of {DEFAULT_ENGINE} were never recorded; run: {commands.RECORD_COMMAND} [example.stale]"
    ]
    assert again.warnings == built.warnings
    assert again.read == []


def test_never_recorded_is_no_news_without_commands(site):
    """A site without a command in its prose asks for no recorded commands."""
    (site.top / FILE).unlink()

    assert site.build("text").warnings == []


def test_malformed_commands(site):
    """Recorded commands that do not parse are reported at their file, with what to run."""
    site.write(FILE, "{")
    site.page("some", "`docker pss`")
    [warning] = site.build("text").warnings

    assert warning.startswith(f"{FILE}:1: WARNING: Expecting property name enclosed in double quotes")
    assert warning.endswith("run: nox -s record -- tests/harness/test_commands.py [example.malformed]")


def test_other_commands_have_their_pages_read_again(site):
    """When other commands are recorded, the pages with commands in their prose are read again, and no others."""
    site.page("some", "`docker ps -a`")
    assert site.build("text").warnings == []
    assert site.build("text").read == []

    site.commands(docker=PODMAN)
    built = site.build("text")

    assert built.read == ["some"]
    assert [text.partition(": the")[0] for text in built.warnings] == ["docs/some.md:3: WARNING: `docker ps -a`"]

    site.commands()
    assert site.build("text").warnings == []


def test_podman_is_checked_once_recorded(site):
    """Podman's commands are checked from the build on in which a Podman's are recorded."""
    site.page("some", "`podman ps` and `podman psst`")
    assert site.build("text").warnings == []

    site.commands("podman-5.4", podman=PODMAN)
    [warning] = site.build("text").warnings
    assert warning.startswith("docs/some.md:3: WARNING: `podman psst`: the help of podman names no command 'psst'")


def test_parallel_readers_find_the_same(site):
    """Pages that are read in parallel give the same warnings as one after the other."""
    for number in range(12):
        site.page(f"page{number}", "`docker pss`")
    warnings = site.build("text", parallel=4).warnings

    assert len(warnings) == 12
    assert {re.sub(r"\d+", "", text.partition(":")[0]) for text in warnings} == {"docs/page.md"}
