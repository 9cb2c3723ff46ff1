"""The sessions of the noxfile: their arguments, and the places that name them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from nox import registry

import noxfile
from drydock import ROOT
from drydock.engine.private.specs import ENGINE_SPECS
from drydock.model.floor import Floor, load_floor, set_floor
from drydock.tasks import floor

#: Files and folders that tell a reader which session to run.
NAMING = ("README.md", "CONTRIBUTING.md", "noxfile.py", "pyproject.toml", "docs", "drydock", "tests", ".github", ".ci")


class Session:
    """A nox session that runs nothing."""

    def __init__(self, *posargs):
        self.posargs, self.commands = list(posargs), []

    def install(self, *arguments):
        """Do nothing."""

    log = install

    def run(self, *command, **options):
        """Keep the command."""
        self.commands.append(command)

    def error(self, message):
        """Raise the message."""
        raise SystemExit(message)


def _text_files():
    for name in NAMING:
        paths = [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*"))
        for path in paths:
            generated = {"_build", "__pycache__"} & set(path.parts) or path.is_relative_to(ROOT / "docs" / "examples")
            if path.is_file() and path.suffix in (".md", ".py", ".toml", ".yml", ".svg", "") and not generated:
                yield path


def test_sessions_that_are_named_exist():
    """Every session that a page, a message, or CI names is one of the noxfile."""
    named = [
        (str(path.relative_to(ROOT)), name)
        for path in _text_files()
        for name in re.findall(r"nox(?:file\.py)? -s ([a-z]\w*)", path.read_text(encoding="utf-8"))
    ]

    assert len(named) > 30
    assert [place for place in named if place[1] not in registry.get()] == []
    assert len(registry.get()) <= 12


def test_ci_runs_sessions():
    """The sessions of CI's matrix are the default ones."""
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")

    assert f"session: [{', '.join(noxfile.nox.options.sessions)}]" in workflow


def test_only_the_weekly_run_fails_for_old_versions():
    """One job asks lint to fail for versions that expired; it runs on schedule or by hand, never for a pull request."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    [job] = [job for job in workflow["jobs"].values() if "lint -- weekly" in str(job)]

    assert job["if"] == "github.event_name == 'schedule' || github.event_name == 'workflow_dispatch'"
    assert "versions" not in workflow["jobs"]["green"]["needs"]


@pytest.mark.parametrize(
    ("arguments", "selected"),
    [
        (["compose-merge", "-k", "override"], ["--example=compose-merge", "-k", "override"]),
        (["-k", "compose-merge"], ["-k", "compose-merge"]),
        (
            ["hello-container", "cache-order", "--keep"],
            ["--example=hello-container", "--example=cache-order", "--keep"],
        ),
        (["--engine", "docker-26.1", "-x"], ["--engine", "docker-26.1", "-x"]),
        (["tests/harness/test_faults.py::test_a"], ["tests/harness/test_faults.py::test_a"]),
        ([], []),
    ],
)
def test_names_and_options_mix(arguments, selected):
    """Names of examples become options of the plugin; the options of pytest, their values, and paths stay."""
    known = [folder.name for folder in (ROOT / "examples").iterdir()]

    assert noxfile.select_tests(Session(*arguments), "--example", known) == selected


def test_pages_are_names():
    """A page is named as in its address."""
    picked = noxfile.select_tests(Session("tutorials/first-container", "-v"), "--page", ["tutorials/first-container"])

    assert picked == ["--page=tutorials/first-container", "-v"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("opne", "unknown argument 'opne'; did you mean open"),
        ("zzz", "unknown argument 'zzz'; known ones: links, open"),
    ],
)
def test_unknown_argument(word, message):
    """An unknown argument ends the session with the nearest known one, or all."""
    with pytest.raises(SystemExit) as ended:
        noxfile.reject_unknown(Session(), [word], ["open", "links"])

    assert str(ended.value) == message


@pytest.mark.parametrize("name", ["hello-contaner", "tests/no_such.py"])
def test_unknown_example(name):
    """An example or a file that doesn't exist ends the session."""
    with pytest.raises(SystemExit, match=f"unknown argument '{name}'"):
        noxfile.select_tests(Session(name), "--example", ["hello-container"])


@pytest.mark.parametrize(
    ("arguments", "files"),
    [(["-k", "copy"], ["tests/site"]), (["tests/site/test_copy.py"], []), ([], ["tests/site"])],
)
def test_the_site_is_tested_whole_or_by_file(arguments, files, monkeypatch):
    """Without a file among the arguments, `site` runs all tests of the site, whatever other options there are."""
    monkeypatch.setattr(noxfile, "find_browser", lambda session: "chromium")
    session = Session(*arguments)
    noxfile.site(session)
    command = session.commands[-1]

    assert [*command[command.index("--browser=chromium") + 1 :]] == [*files, *arguments]


def test_each_engine_records(monkeypatch):
    """`record -- --every-engine` runs once for each kind of private engine, the default one last."""
    session = Session("hello-container", "--every-engine")
    noxfile.record(session)
    engines = [word for command in session.commands for word in command if word.startswith("--engine=")]

    assert len(engines) == len(session.commands) > 3
    assert engines[-1] == f"--engine={next(iter(ENGINE_SPECS))}"
    assert all({"--record", "--example=hello-container"} <= set(command) for command in session.commands)
    assert not [command for command in session.commands if "--every-engine" in command]


def test_proven_examples_are_left_out(monkeypatch):
    """`examples` leaves out proven examples, except with `--all` and in CI."""
    commands = {}
    for name, arguments, ci in (("plain", [], None), ("all", ["--all"], None), ("ci", [], "true")):
        monkeypatch.setenv("CI", ci) if ci else monkeypatch.delenv("CI", raising=False)
        session = Session(*arguments)
        noxfile.examples(session)
        commands[name] = session.commands[0]

    assert {name: "--unproven" in command for name, command in commands.items()} == {
        "plain": True,
        "all": False,
        "ci": False,
    }
    assert "--all" not in commands["all"]


def test_the_floor_is_set_before_it_is_checked():
    """`docs -- floor` builds without failing on warnings, sets the floor, and builds again."""
    session = Session("floor")
    noxfile.docs(session)

    assert ["-W" in command for command in session.commands] == [False, False, True]
    assert "drydock.tasks.floor" in session.commands[1]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [([], ["check"]), (["weekly"], ["check", "--weekly"]), (["language", "shrink"], ["shrink"])],
)
def test_the_language_is_checked(arguments, options):
    """`lint` checks the language; with `language`, it does nothing else, and passes the arguments on."""
    session = Session(*arguments)
    noxfile.lint(session)
    [command] = [command for command in session.commands if "tests/language.py" in command]

    assert command == ("python", "tests/language.py", *options)
    assert (len(session.commands) == 1) == ("language" in arguments)


def test_nox_reports_it():
    """nox itself fails on a mistyped argument, before it installs anything."""
    command = [sys.executable, "-m", "nox", "-s", "docs", "--no-venv", "--no-install", "--", "opne"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert run.returncode == 1
    assert "unknown argument 'opne'; did you mean open" in run.stderr


def test_the_floor_is_raised(tmp_path):
    """The floor of blocks becomes the number in the built site; the others stay."""
    (tmp_path / "drydock-census.json").write_text('{"blocks": 7, "slack": {"steps": 3}}')
    set_floor(tmp_path, blocks=5, claims=2)
    floor.raise_blocks(tmp_path, tmp_path)

    assert load_floor(tmp_path) == Floor(blocks=7, claims=2)


@pytest.mark.parametrize(("session", "option"), [("record", "--record"), ("examples", "--all")])
def test_the_virtual_machine_runs_the_tests(session, option):
    """With `--machine`, the same arguments go to the virtual machine, which starts pytest."""
    called = Session("shared-kernel", "--machine", "--all")
    getattr(noxfile, session)(called)

    [command] = called.commands
    assert command[:3] == ("python", "-m", "drydock.engine.private.machine")
    assert "--example=shared-kernel" in command
    assert "--machine" not in command
    assert ("--record" in command) == (session == "record")
