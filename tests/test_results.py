"""Results: from the reports of a test to one result, and the floor. No engine."""

from __future__ import annotations

import dataclasses

import pytest

from drydock.engine.client import Engine
from drydock.model.evidence import Replayed, Run
from drydock.model.example import Example
from drydock.model.floor import load_floor
from drydock.testing import results
from drydock.testing.results import Result, StepResult

FACTS = {"unit": "hello", "kind": "claim", "name": "test_a", "sentence": "It is.", "steps": []}
TEST = "tests/examples/test_hello.py::test_a"


def report(when="call", outcome="passed", facts=FACTS, nodeid=TEST, duration=1.0):
    """Return a test's report of one phase."""
    properties = [("drydock", facts)] if facts else []
    return pytest.TestReport(nodeid, ("", 0, ""), {}, outcome, None, when, (), duration, user_properties=properties)


def merged(*reports):
    """Return the result of a test that reports these phases."""
    result = None
    for each in reports:
        result = results.merge_phases(result, results.read_report(each))
    return result


@pytest.mark.parametrize(
    ("outcomes", "outcome"),
    [
        (("passed", "passed", "passed"), "passed"),
        (("passed", "failed", "passed"), "failed"),
        (("passed", "passed", "failed"), "failed"),
        (("passed", "skipped", "passed"), "skipped"),
        (("skipped", "passed"), "skipped"),
        (("passed", "skipped", "failed"), "failed"),
    ],
)
def test_the_phases_of_a_test_make_one_result(outcomes, outcome):
    """The phase that didn't pass decides, and seconds add up."""
    phases = ("setup", "call", "teardown") if len(outcomes) == 3 else ("setup", "teardown")
    result = merged(*map(report, phases, outcomes))

    assert result == Result(TEST, "hello", outcome, "", len(outcomes), "claim", "test_a", "It is.")


@pytest.mark.parametrize(
    ("nodeid", "test", "unit"),
    [
        (f"{TEST}@hello", TEST, "hello"),
        ("tests/harness/test_x.py::test_y[a@b]@hello", "tests/harness/test_x.py::test_y[a@b]", "harness"),
        ("tests/bases/test_x.py::test_y[a@b]", "tests/bases/test_x.py::test_y[a@b]", "bases"),
    ],
)
def test_a_report_without_facts_names_its_unit(nodeid, test, unit):
    """A crashed worker reports its test without facts: the group in the ID names the example."""
    result = results.read_report(report("???", "failed", facts=None, nodeid=nodeid))

    assert (result.test, result.unit, result.outcome) == (test, unit, "failed")


def test_a_crash_keeps_what_the_test_reported_before():
    """A test whose worker crashed in its call failed, and is still a claim."""
    result = merged(report("setup"), report("???", "failed", facts=None, nodeid=f"{TEST}@hello"))

    assert (result.outcome, result.kind, result.name) == ("failed", "claim", "test_a")


def test_a_crash_is_no_evidence(monkeypatch):
    """An example with a test that ended its worker keeps its evidence as it was: a claim is missing."""
    monkeypatch.setattr(results.evidence, "save_evidence", lambda evidence: pytest.fail("saved"))
    claim = Result("tests/examples/test_hello_container.py::test_a", "hello-container", kind="claim", name="test_a")
    nodeid = "tests/examples/test_hello_container.py::test_b@hello-container"
    crash = results.read_report(report("???", "failed", facts=None, nodeid=nodeid))

    assert results.write_evidence(Engine({}, facts={}), [claim, crash]) == (
        [],
        ["evidence of hello-container not written: tests/examples/test_hello_container.py::test_b failed"],
    )


def test_fewer_claims_than_the_floor_are_reported():
    """A run that collects less than the floor gets a message with both numbers."""
    bounds = load_floor()
    claims = [Result(str(number), "hello", kind="claim") for number in range(bounds.claims)]
    skipped = [Result(str(number), "hello", "skipped", kind="transcript") for number in range(bounds.transcripts)]

    assert results.below_floor([*claims, *skipped]) == []
    [message] = results.below_floor([*claims[1:], *skipped])
    assert message.startswith(f"{bounds.claims - 1} claims, but evidence/reports/floor.json has {bounds.claims}: ")


def test_only_evidence_has_sentences_and_measures():
    """What the history and later runs need of a result is its outcome and its times."""
    result = dataclasses.replace(merged(report()), measures={"size": {"value": 1}}, reason="why")

    assert results.without_evidence(result) == Result(TEST, "hello", "passed", "why", 1.0, "claim", "test_a")


STEPS = "$ docker run -d greeting\n<id>\n$ docker ps\n...\n$ true\n"
OLD = {"1": ("a" * 12,), "2": (f"{'a' * 12}  Up",)}
NEW = {"1": ("b" * 12,), "2": (f"{'b' * 12}  Up",)}


@pytest.mark.parametrize(
    ("stored", "records", "kept"),
    [
        ({}, OLD, True),
        ({"digest": "other"}, OLD, False),
        ({"engine": {"name": "Docker", "version": "29.9"}}, OLD, False),
        ({}, {"1": OLD["1"]}, False),
        ({}, OLD | {"1": ("no ID",)}, False),
        ({}, {}, False),
    ],
)
def test_a_stored_record_stays(tmp_path, stored, records, kept):
    """Records stay if the files and the engine are the same, each step has one, and all match; or none stays."""
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts/t.console").write_text(STEPS)
    new = Run("digest", "2026-11-28", {"name": "Docker", "version": "29.7"})
    old = dataclasses.replace(new, **stored, transcripts={"t": Replayed(3, "passed", records=records)})
    new.transcripts["t"] = Replayed(3, "passed", records=NEW)
    results.keep_records(old, new, Example(tmp_path))

    assert new.transcripts["t"].records == (records if kept else NEW)


def test_records_get_into_evidence():
    """What the steps of a transcript printed goes from its test's report into the run, and not into the history."""
    facts = FACTS | {"kind": "transcript", "name": "t", "steps": [], "records": {"1": ["a", 3]}}
    result = results.read_report(report(facts=facts | {"steps": [dataclasses.asdict(StepResult(1, 0.1, 1, True))]}))
    hello = next(iter(results.examples.load_examples()))
    run = results.build_run(Engine({}, facts={"name": "Docker", "version": "29.7"}), hello, [result])

    assert run.transcripts == {"t": Replayed(1, "passed", records={"1": ("a", 3)})}
    assert results.without_evidence(result).records == {}
