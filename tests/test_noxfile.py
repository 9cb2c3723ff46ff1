"""The sessions of the noxfile: their arguments, and the places that name them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from nox import registry

import noxfile
from drydock import ROOT
from drydock.model.floor import Floor, load_floor, set_floor
from drydock.tasks import floor

#: Files and folders that tell a reader which session to run.
NAMING = ("README.md", "CONTRIBUTING.md", "noxfile.py", "pyproject.toml", "docs", "drydock", "tests", ".github", ".ci")


class Session:
    """The part of a nox session that reads arguments."""

    def __init__(self, *posargs):
        self.posargs = list(posargs)

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
        ("opne", "unknown argument 'opne'; did you mean open?"),
        ("zzz", "unknown argument 'zzz'; there are: links, open"),
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


def test_nox_reports_it():
    """nox itself fails on a mistyped argument, before it installs anything."""
    command = [sys.executable, "-m", "nox", "-s", "docs", "--no-venv", "--no-install", "--", "opne"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert run.returncode == 1
    assert "unknown argument 'opne'; did you mean open?" in run.stderr


def test_the_floor_is_raised(tmp_path):
    """The floor of blocks becomes the number in the built site; the others stay."""
    (tmp_path / "drydock-census.json").write_text('{"blocks": 7}')
    set_floor(tmp_path, blocks=5, claims=2)
    floor.raise_blocks(tmp_path, tmp_path)

    assert load_floor(tmp_path) == Floor(blocks=7, claims=2)
