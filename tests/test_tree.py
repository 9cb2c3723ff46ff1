"""What holds for the repository as a whole."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess

import pytest

from drydock import ROOT, door, evidence, example as examples

EXAMPLES = examples.load()
UNTRACKED = {".git", ".nox", "_build", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}
BANNED = {"utils", "helpers", "common", "manager", "handler", "info", "numbers"}


def _tracked():
    """Return the files that are in git, or will be. A checkout that somebody else owns is read all the same."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return [path for path in ROOT.rglob("*") if path.is_file() and not UNTRACKED & set(path.parts)]
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("slug", EXAMPLES)
def test_an_example_is_whole(slug):
    """An example has README, Dockerfile, Compose file, transcript, test and evidence."""
    example = EXAMPLES[slug]

    assert {"README.md", "Dockerfile", "compose.yaml"} <= set(example.files)
    assert example.title
    assert example.idea
    assert example.transcripts, f"examples/{slug} has no transcript"
    assert example.test.is_file(), f"examples/{slug} has no test: write {example.test.relative_to(ROOT)}"
    assert evidence.path(slug).is_file(), f"examples/{slug} has no evidence: nox -s record -- {slug}"


def test_nothing_is_without_its_example():
    """A test or evidence without an example is to be named after one, or deleted."""
    tests = {path.stem.removeprefix("test_").replace("_", "-") for path in (ROOT / "tests/examples").glob("test_*.py")}
    recorded = {path.stem for path in (ROOT / "evidence").glob("*.json")}

    assert tests - {"transcripts"} == set(EXAMPLES)
    assert recorded - {"floor", "mutants", "soak", "harness", "followed"} == set(EXAMPLES)


def test_no_slug_begins_another():
    """Names on an engine begin with the slug, so no slug may begin another."""
    assert not [(a, b) for a in EXAMPLES for b in EXAMPLES if b.startswith(f"{a}-")]


def test_a_copied_example_holds_only_tracked_files():
    """What a reader gets in a zip is what is in git."""
    tracked = {path for path in _tracked() if path.is_relative_to(ROOT / "examples")}
    zipped = {example.root / name for example in EXAMPLES.values() for name in example.files}

    assert zipped == tracked


def test_the_model_knows_neither_pytest_nor_sphinx():
    """The model imports neither, the tests' plugin never imports Sphinx, the Sphinx extension never pytest."""
    runs = ("testing.py", "counting.py", "fixtures.py", "warm.py")
    for path in (ROOT / "drydock").rglob("*.py"):
        imported = set(_imports(path))
        if path.name not in runs:
            assert "pytest" not in imported, path
        if "site" not in path.relative_to(ROOT / "drydock").parts:
            assert not imported & {"sphinx", "docutils", "drydock.site"}, path


def test_the_site_runs_no_command():
    """The Sphinx extension can start no program and open no connection: it imports nothing that could."""
    for path in (ROOT / "drydock" / "site").rglob("*.py"):
        ours = {f"drydock.{name}" for name in ("engine", "shell", "record", "follow")}
        assert not set(_imports(path)) & {"subprocess", "socket", "urllib.request", "requests", *ours}, path


def test_the_floor_is_what_stands():
    """The floor under what is collected is not left behind: it is the number of claims and commands that stand."""
    floor = json.loads((ROOT / "evidence/floor.json").read_text())
    runs = [run for slug in EXAMPLES if (run := evidence.load(slug).run)]

    assert floor["transcripts"] == sum(len(example.transcripts) for example in EXAMPLES.values())
    assert floor["commands"] == sum(
        len(example.transcript(name).steps) for example in EXAMPLES.values() for name in example.transcripts
    )
    assert floor["claims"] == sum(len(run.claims) for run in runs)


def _pages(*folders):
    return [page for folder in folders for page in sorted((ROOT / "docs" / folder).rglob("*.md"))]


def test_a_number_on_a_page_is_held_to_bounds():
    """A measure that a page tells is one for which a test asserts a bound that it could miss."""
    told = {
        (slug, name)
        for page in (ROOT / "docs").rglob("*.md")
        for slug, name in re.findall(r"\{measured\}`([\w-]+):([\w-]+)`", page.read_text())
    }
    measures = {each: evidence.load(each[0]).measure(each[1]) for each in sorted(told)}

    assert told
    assert not [each for each, measure in measures.items() if measure.low <= 0 and measure.high is None]


def test_every_timing_has_its_spread():
    """A time in the evidence of the default engine is a median of several runs."""
    runs = {slug: run for slug in EXAMPLES if (run := evidence.load(slug).run)}
    times = {(s, name): m for s, run in runs.items() for name, m in run.measures.items() if m.unit == "seconds"}

    assert times
    assert not [each for each, measure in times.items() if len(measure.spread) != 2]


def test_every_page_shows_its_proof():
    """A page that teaches ends with the claims it rests on; one that only lists the pages below it shows no block."""
    for page in _pages("tutorials", "concepts", "how-to", "reference/errors"):
        text = page.read_text()
        lists = "{toctree}" in text and not re.search(r":::\{(?:example|transcript|picture)\}", text)
        assert lists or text.rstrip().endswith(":::{claims}\n:::"), page


def test_names_say_what_they_mean():
    """No file, function or class bears one of the names that say nothing."""
    for path in [p for p in _tracked() if p.suffix == ".py"]:
        names = {path.stem} | {
            node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        words = {word for name in names for word in re.split(r"_|(?<=[a-z])(?=[A-Z])", name.lower())}
        assert not words & BANNED, path


def test_registries_are_called_by_their_names():
    """No file spells out the host of a package registry."""
    hosts = re.compile(r"p[y]pi\.org|pythonhos[t]ed|deb\.d[e]bian|npmj[s]\.org|registr[y]\.npm|registr[y]-1\.docker")
    assert not [str(path) for path in _tracked() if path.suffix != ".png" and hosts.search(path.read_text())]


def test_the_door_opens_with_the_pinned_tools():
    """A machine without nox gets the versions of nox and uv that requirements.txt pins."""
    assert [pin.partition("==")[0] for pin in door._pins()] == list(door.TOOLS)
