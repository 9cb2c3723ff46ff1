"""Units that passed in earlier runs: saved, compared with what changed since, and dropped; no engine."""

from __future__ import annotations

import pytest

from drydock.engine.client import Engine
from drydock.model.example import Example
from drydock.testing import passed
from drydock.testing.results import Result, StepResult, count_results

DAY = 24 * 3600
COMMANDS = "evidence/commands/docker-28.5.json"
CLAIMS = [
    Result("b::one", "bases", "skipped", "no room", kind="claim", name="one"),
    Result("b::two", "bases", kind="claim", name="two", sentence="It is.", measures={"size": {"value": 1}}),
]
TRANSCRIPT = Result("b::t", "bases", kind="transcript", name="run", steps=(StepResult(1, 0.5, 1, True),))
FACTS = {"id": "one", "name": "Docker", "version": "28.5.2"}


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Return an engine, with a cache folder, and a tree of files that units depend on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(passed, "ROOT", tmp_path)
    for name in (
        *passed.SHARED,
        "drydock/replay/shell.py",
        "base-images/Dockerfile",
        "tests/bases/test_contract.py",
        COMMANDS,
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was\n")
    passed.save_passed(Engine({}, facts=FACTS), {"bases": [*CLAIMS, TRANSCRIPT], "harness": []}, ())
    return Engine({}, facts=FACTS)


def found(engine, **when):
    """Return the units that are still passed."""
    return set(passed.still_passed(engine, ["bases", "harness", "never-run"], **when))


def test_what_passed_is_saved(engine):
    """A unit that passed is saved with its results, and dropped when it fails."""
    assert found(engine) == {"bases", "harness"}
    [unit] = passed.still_passed(engine, ["bases"]).values()
    assert count_results(unit.results) == {"claims": 2, "transcripts": 1}
    assert [(result.test, result.reason) for result in unit.results if result.outcome == "skipped"] == [
        ("b::one", "no room")
    ]
    assert not any(result.steps or result.measures for result in unit.results)
    passed.save_passed(engine, {}, ["bases"])
    assert found(engine) == {"harness"}


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("drydock/replay/shell.py", set()),
        ("requirements.txt", set()),
        ("base-images/Dockerfile", set()),
        (COMMANDS, set()),
        ("tests/bases/test_contract.py", {"harness"}),
        ("drydock/engine/private/daemon.py", set()),
        ("drydock/site/blocks/code.py", {"bases", "harness"}),
        ("drydock/mutation/runner.py", {"bases", "harness"}),
    ],
)
def test_a_change_drops_what_depends_on_it(engine, tmp_path, name, left):
    """A changed file drops the units that depend on it, and no others."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("changed\n")

    assert found(engine) == left


def test_a_changed_example_drops_the_harness(engine, tmp_path, monkeypatch):
    """The harness is tested with examples, so a change of any of them drops it."""
    root = tmp_path / "examples" / "hello"
    root.mkdir(parents=True)
    monkeypatch.setattr(passed.examples, "load_examples", lambda: {"hello": Example(root)})

    assert found(engine) == set()


def test_on_another_engine_nothing_has_passed(engine):
    """A unit passes on one engine; on the same engine in another version, it has to pass again."""
    assert found(Engine({}, facts={**FACTS, "id": "two"})) == set()
    assert found(Engine({}, facts={**FACTS, "version": "29.0.0"})) == set()


def test_a_unit_stays_passed_for_a_day(engine):
    """A unit stays passed for a day, and not when the clock was put back."""
    [unit] = passed.still_passed(engine, ["bases"]).values()

    assert found(engine, now=unit.at + DAY - 1) == {"bases", "harness"}
    assert found(engine, now=unit.at + DAY) == found(engine, now=unit.at - 1) == set()
    assert [unit.age_text(unit.at + age) for age in (240, 4 * 3600)] == ["4 min", "4 h"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"bases": 1}',
        '{"bases": {"odd": 1}}',
        '{"bases": {"digest": "", "at": 1, "results": 3}}',
        "[" * 100_000,
    ],
    ids=range(6),
)
def test_a_damaged_file_skips_nothing(engine, tmp_path, text):
    """With a damaged file nothing counts as passed, and the next run writes it again."""
    [place] = (tmp_path / "cache").rglob("*.json")
    place.write_text(text)

    assert found(engine) == set()
    passed.save_passed(engine, {"bases": []}, ())
    assert found(engine) == {"bases"}
