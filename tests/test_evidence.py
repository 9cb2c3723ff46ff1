"""Evidence files: read, written, and left alone when nothing is new."""

from __future__ import annotations

import dataclasses
import json

import pytest

from drydock.errors import MalformedError, MissingError
from drydock.model import evidence
from drydock.model.evidence import Claim, Evidence, Measure, Replayed, Run

RUN = Run(
    digest="d",
    date="2026-11-20",
    engine={"name": "Docker", "version": "28.5.2"},
    claims={"test_a": Claim("It holds.", "passed")},
    transcripts={"first": Replayed(3, "passed")},
    measures={"size": Measure(10, "bytes", 0, 20), "start": Measure(2.0, "seconds", 0, 60)},
)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    """Evidence survives being written and read, and a second write changes nothing."""
    whole = Evidence("hello", {evidence.DEFAULT_ENGINE: RUN})

    assert evidence.save_evidence(whole, tmp_path) is True
    assert evidence.save_evidence(whole, tmp_path) is False
    assert evidence.load_evidence("hello", tmp_path) == whole


def test_nothing_recorded_is_no_error(tmp_path):
    """An example without evidence has no runs; asking it for a measure says so."""
    empty = evidence.load_evidence("hello", tmp_path)

    assert empty.run is None
    with pytest.raises(MissingError, match="no measure 'size'"):
        empty.measure("size")


def test_a_missing_measure_is_answered_with_the_near_ones():
    """A page that asks for a measure nobody took learns which there are."""
    with pytest.raises(MissingError, match="did you mean size"):
        Evidence("hello", {evidence.DEFAULT_ENGINE: RUN}).measure("siez")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not evidence"),
        ("[]", "not evidence"),
        ("{}", "not evidence"),
        ('{"schema": 99}', "schema 99"),
        ('{"schema": 1, "example": "other", "engines": {}}', "speaks of the example 'other'"),
        ('{"schema": 1, "example": "hello", "engines": {"a": 1}}', "not evidence"),
        ('{"schema": 1, "example": "hello", "engines": []}', "not evidence"),
    ],
)
def test_malformed_evidence_says_what_to_run(tmp_path, text, problem):
    """A file that is not evidence is refused by name, with the command that makes it anew."""
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "hello.json").write_text(text)

    with pytest.raises(MalformedError, match=problem) as caught:
        evidence.load_evidence("hello", tmp_path)
    assert "nox -s record -- hello" in str(caught.value)


def test_a_measure_is_a_number_with_a_known_unit(tmp_path):
    """A measure in another unit, or one that is no number, is malformed."""
    data = {"schema": 1, "example": "hello", "engines": {"docker-28.5": dataclasses.asdict(RUN)}}
    data["engines"]["docker-28.5"]["measures"]["size"]["unit"] = "<script>"
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "hello.json").write_text(json.dumps(data))

    with pytest.raises(MalformedError, match="measure size"):
        evidence.load_evidence("hello", tmp_path)


def _again(**changes):
    former = Evidence("hello", {"e": RUN})
    return evidence.with_run(former, "e", dataclasses.replace(RUN, date="2027-01-01", **changes)).runs["e"]


def test_a_run_that_says_nothing_new_leaves_the_former():
    """Only the date differs, or a timing by its noise: the file does not move."""
    noisy = {**RUN.measures, "start": Measure(2.5, "seconds", 0, 60)}

    assert _again() == RUN
    assert _again(measures=noisy) == RUN


def test_a_timing_has_its_spread(tmp_path):
    """A timing is the median of its runs, with three digits; its spread survives the file, and tells what is noise."""
    timing = Measure.of([1.23456, 1.1, 1.9], "seconds", 0, 60)
    run = dataclasses.replace(RUN, measures={"start": timing})
    evidence.save_evidence(Evidence("hello", {"e": run}), tmp_path)

    assert (timing.value, timing.spread) == (1.23, (1.1, 1.9))
    assert evidence.load_evidence("hello", tmp_path).runs["e"] == run
    for value, moved in ((2.7, False), (2.9, True)):
        fresh = dataclasses.replace(run, measures={"start": Measure.of([value] * 3, "seconds", 0, 60)})
        assert (evidence.with_run(Evidence("hello", {"e": run}), "e", fresh).runs["e"] == fresh) is moved


def test_what_belongs_together_comes_from_one_run():
    """Where one thing really moved, the timings of that run are recorded with it, noise or not."""
    measures = {"size": Measure(11, "bytes", 0, 20), "start": Measure(2.5, "seconds", 0, 60)}

    assert _again(measures=measures).measures == measures


def test_a_real_change_is_recorded():
    """A size, a timing beyond its noise, a bound or an outcome that moved is news."""
    for measure in (Measure(11, "bytes", 0, 20), Measure(10, "bytes", 0, 21)):
        assert _again(measures={**RUN.measures, "size": measure}).measures["size"] == measure
    slow = Measure(9.0, "seconds", 0, 60)
    assert _again(measures={**RUN.measures, "start": slow}).measures["start"] == slow
    assert _again(claims={"test_a": Claim("It holds.", "failed")}).date == "2027-01-01"
