"""What holds for the repository as a whole."""

from __future__ import annotations

import ast
import re

import pytest
from prose import list_files

import drydock
from drydock import ROOT
from drydock.model import evidence, example as examples
from drydock.model.floor import load_floor
from drydock.tasks import bootstrap

EXAMPLES = examples.load_examples()
BANNED = {"utils", "helpers", "common", "manager", "handler", "info", "numbers"}


def _tracked():
    return [ROOT / name for name in list_files()]


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
    assert evidence.evidence_file(slug).is_file(), f"examples/{slug} has no evidence: nox -s record -- {slug}"


def test_nothing_is_without_its_example():
    """A test or evidence without an example is to be named after one, or deleted."""
    tests = {path.stem.removeprefix("test_").replace("_", "-") for path in (ROOT / "tests/examples").glob("test_*.py")}
    recorded = {path.stem for path in (ROOT / evidence.RUNS_FOLDER).glob("*.json")}

    assert tests - {"transcripts"} == set(EXAMPLES)
    assert recorded == set(EXAMPLES)


def test_no_slug_begins_another():
    """Names on an engine begin with the slug, so no slug may begin another."""
    assert not [(a, b) for a in EXAMPLES for b in EXAMPLES if b.startswith(f"{a}-")]


def test_a_copied_example_holds_only_tracked_files():
    """What a reader gets in a zip is what is in git."""
    tracked = {path for path in _tracked() if path.is_relative_to(ROOT / "examples")}
    zipped = {example.root / name for example in EXAMPLES.values() for name in example.files}

    assert zipped == tracked


#: Room -> what its modules may import of Drydock, apart from the ground and the room itself.
ROOMS = {
    "model": set(),
    "engine": {"model"},
    "replay": {"model", "engine"},
    "testing": {"model", "engine", "replay"},
    "mutation": {"model", "engine", "replay", "testing"},
    "site": {"model"},
    "tasks": {"model", "engine", "replay", "testing"},
}
GROUND = {"errors", "host", "store"}
#: What an example's test may use. It is built on the plugin; only the plugin's users and tests import it.
FACE = {"fixtures", "builds", "layers"}


def _room(name):
    """Return the room, or the module on top, of ``drydock.room.module``; "" for the package itself."""
    return [*name.split("."), ""][1]


def _modules():
    for path in sorted((ROOT / "drydock").rglob("*.py")):
        yield path, _room(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))


def _ours(path):
    """Return the rooms and modules on top that a file imports. ``ROOT`` is the package's own."""
    names = {name for name in _imports(path) if name.startswith("drydock.")}
    return {_room(name) for name in names} - {"", "ROOT"}


def test_the_map_of_the_rooms_is_the_folders():
    """The docstring of the package has a line for each folder in it, and names each module on top."""
    mapped = set(re.findall(r"^``(\w+)``", drydock.__doc__, re.MULTILINE))
    folders = {path.parent.name for path in (ROOT / "drydock").glob("*/__init__.py")}
    top = {path.stem for path in (ROOT / "drydock").glob("*.py")} - {"__init__"}

    assert mapped == folders == set(ROOMS)
    assert top == GROUND | FACE
    assert all(f"``{name}``" in drydock.__doc__ for name in top)


def test_rooms_import_downward_only():
    """Each room imports the ground, itself, and the rooms below it."""
    for path, room in _modules():
        allowed = GROUND | ROOMS.get(room, set()) | {room}
        if room in FACE:
            allowed |= FACE | {"model", "engine", "testing"}
        if room in GROUND:
            allowed = GROUND
        assert _ours(path) <= allowed, (path, _ours(path) - allowed)


def test_only_what_runs_tests_imports_pytest():
    """Only the plugin's room, mutation and the fixtures import pytest; only the site imports Sphinx."""
    for path, room in _modules():
        imported = set(_imports(path))
        assert room in ("testing", "mutation", "fixtures") or "pytest" not in imported, path
        assert room == "site" or not imported & {"sphinx", "docutils"}, path


def test_no_import_cycle():
    """No module imports itself, directly or through others."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path, _ in _modules()
    }
    graph = {}
    for name, path in modules.items():
        # `from drydock.room.module import name` imports the module.
        imported = {other if other in modules else other.rpartition(".")[0] for other in _imports(path)}
        graph[name] = {other for other in imported & modules.keys() if not f"{name}.".startswith(f"{other}.")}
    while leaves := [name for name, below in graph.items() if not below & graph.keys()]:
        for name in leaves:
            del graph[name]

    assert not graph


def test_the_site_runs_no_command():
    """The Sphinx extension can start no program and open no connection: it imports nothing that could."""
    for path in (ROOT / "drydock" / "site").rglob("*.py"):
        assert not set(_imports(path)) & {"subprocess", "socket", "urllib.request", "requests"}, path


def test_the_floor_is_what_stands():
    """The floor under what is collected is not left behind: it is the number of claims and commands that stand."""
    floor = load_floor()
    runs = [run for slug in EXAMPLES if (run := evidence.load_evidence(slug).run)]

    assert floor.transcripts == sum(len(example.transcripts) for example in EXAMPLES.values())
    assert floor.commands == sum(
        len(example.transcript(name).steps) for example in EXAMPLES.values() for name in example.transcripts
    )
    assert floor.claims == sum(len(run.claims) for run in runs)


def _pages(*folders):
    return [page for folder in folders for page in sorted((ROOT / "docs" / folder).rglob("*.md"))]


def test_a_number_on_a_page_is_held_to_bounds():
    """A measure that a page tells is one for which a test asserts a bound that it could miss."""
    told = {
        (slug, name)
        for page in (ROOT / "docs").rglob("*.md")
        for slug, name in re.findall(r"\{measured\}`([\w-]+):([\w-]+)`", page.read_text())
    }
    measures = {each: evidence.load_evidence(each[0]).measure(each[1])[0] for each in sorted(told)}

    assert told
    assert not [each for each, measure in measures.items() if measure.low <= 0 and measure.high is None]


def test_every_timing_has_its_spread():
    """A time in the evidence of the default engine is a median of several runs."""
    runs = {slug: run for slug in EXAMPLES if (run := evidence.load_evidence(slug).run)}
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


def test_bootstrap_installs_pinned_tools():
    """A machine without nox gets the versions of nox and uv that requirements.txt pins."""
    assert [pin.partition("==")[0] for pin in bootstrap._read_pins()] == list(bootstrap.TOOLS)
