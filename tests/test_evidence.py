"""Evidence files: loaded, saved, and unchanged without news."""

from __future__ import annotations

import dataclasses
import functools
import json

import pytest

from drydock.errors import MalformedError, MissingError
from drydock.model import evidence, example as examples
from drydock.model.evidence import Claim, Evidence, Measure, Replayed, Run
from drydock.model.floor import FLOOR_FILE, Floor, load_floor
from drydock.model.mutation_scores import SCORES_FILE
from drydock.model.walkthroughs import WALKTHROUGHS_FILE

RUN = Run(
    digest="d",
    date="2026-11-20",
    engine={"name": "Docker", "version": "28.5.2"},
    claims={"test_a": Claim("It holds.", "passed")},
    transcripts={"first": Replayed(3, "passed", records={"2": ("a", 7, "b"), "3": ()})},
    measures={"size": Measure(10, "bytes", 0, 20), "start": Measure(2.0, "seconds", 0, 60)},
)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    """Saved evidence is loaded again, and saving it again changes nothing."""
    whole = Evidence("hello", {evidence.DEFAULT_ENGINE: RUN})

    assert evidence.save_evidence(whole, tmp_path) is True
    assert evidence.save_evidence(whole, tmp_path) is False
    assert evidence.load_evidence("hello", tmp_path) == whole


def test_evidence_from_before_there_were_records(tmp_path):
    """A run without records is saved without a word about them, as it was before there were any, and is loaded."""
    run = dataclasses.replace(RUN, transcripts={"first": Replayed(3, "passed")})
    evidence.save_evidence(Evidence("hello", {"e": run}), tmp_path)

    assert '"records"' not in evidence.evidence_file("hello", tmp_path).read_text()
    assert evidence.load_evidence("hello", tmp_path).runs == {"e": run}


def test_nothing_recorded_is_no_error(tmp_path):
    """An example without evidence has no runs; asking it for a measure says so."""
    empty = evidence.load_evidence("hello", tmp_path)

    assert empty.run is None
    with pytest.raises(MissingError, match="no measure 'size'"):
        empty.measure("size")


def test_a_missing_measure_is_answered_with_the_near_ones():
    """A page that asks for an unknown measure gets similar names."""
    with pytest.raises(MissingError, match="did you mean size"):
        Evidence("hello", {evidence.DEFAULT_ENGINE: RUN}).measure("siez")


def _run(version, digest="d", outcome="passed", size=10):
    return dataclasses.replace(
        RUN,
        digest=digest,
        engine={"name": "Docker", "version": version},
        transcripts={"first": Replayed(3, outcome)},
        measures={"size": Measure(size, "bytes", 0, 99)},
    )


@pytest.mark.parametrize(
    ("runs", "shown", "upholding"),
    [
        ({}, "28.5", "28.5"),
        ({"docker-29.7-containerd": _run("29.7")}, "29.7", "29.7"),
        ({"docker-29.7": _run("29.7 overlay2"), "docker-29.7-containerd": _run("29.7")}, "29.7", "29.7"),
        ({"docker-29.7-containerd": _run("29.7"), "docker-29.10-containerd": _run("29.10")}, "29.10", "29.10"),
        ({"docker-29.7-containerd": _run("29.7", digest="old")}, "28.5", "28.5"),
        ({"docker-29.7-containerd": _run("29.7", outcome="skipped")}, "29.7", "28.5"),
        ({"podman-99.1": _run("99.1"), "docker-26.1": _run("26.1")}, "28.5", "28.5"),
    ],
)
def test_pages_show_the_newest_docker_whose_run_is_current(runs, shown, upholding):
    """Of the runs of the example as it is now, pages show that on the newest Docker that upholds the transcript."""
    recorded = Evidence("hello", {evidence.DEFAULT_ENGINE: _run("28.5"), **runs}, "d")

    assert recorded.shown_run().engine["version"] == shown
    assert recorded.shown_run("first").engine["version"] == upholding
    assert recorded.measure("size")[1] is recorded.shown_run()


def test_a_measure_that_the_newest_docker_lacks_is_that_of_the_next():
    """A claim can be skipped on the newest Docker: its measures come from the next run that has them."""
    newest = dataclasses.replace(_run("29.7"), measures={})
    recorded = Evidence("hello", {evidence.DEFAULT_ENGINE: _run("28.5"), "docker-29.7-containerd": newest}, "d")

    assert recorded.measure("size") == (Measure(10, "bytes", 0, 99), recorded.run)


def _file(**values):
    return json.dumps({"schema": 2, "example": "hello", "claims": {}, "engines": {}, **values})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", ":1: Expecting property name"),
        ("[]", "it is .., not a table"),
        ("{}", "it lacks the key 'schema'"),
        (_file(schema=1), "schema 1, this Drydock reads 2"),
        (_file(example="other"), "it is about the example 'other'"),
        (_file(engines={"a": 1}), "engines.a is 1, not a table"),
        (_file(engines=[]), "engines is .., not a table"),
        (_file(claims={"test_a": 5}), "claims.test_a is 5, not text"),
        (_file(engines={"a": {}}), "engines.a.claims is None, not a table"),
        (_file(engines={"a": {"claims": {"test_a": "passed"}}}), "claims.test_a is 'passed', not a table"),
    ],
)
def test_malformed_evidence_says_what_to_run(tmp_path, text, problem):
    """A file that isn't evidence is refused; the message has its place and the command that records it again."""
    evidence.evidence_file("hello", tmp_path).parent.mkdir(parents=True)
    evidence.evidence_file("hello", tmp_path).write_text(text)

    with pytest.raises(MalformedError, match=problem) as caught:
        evidence.load_evidence("hello", tmp_path)
    assert "nox -s record -- hello" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("date", "yesterday", "'yesterday' is not a date such as 2026-11-20"),
        ("date", "2026-02-30", "day is out of range"),
        ("date", "20261120", "is not a date"),
        ("engine", {"name": "Docker"}, "the engine needs a name and a version"),
        ("engine version", 28, "engine.version is 28, not text"),
        ("claims test_a sentence", " ", "a claim without a sentence"),
        ("claims test_a outcome", "perhaps", "no outcome 'perhaps'; there are: failed, passed, skipped"),
        ("transcripts first outcome", "pass", "did you mean passed"),
        ("transcripts first steps", -1, "transcripts.first: -1 steps"),
        ("transcripts first steps", "3", "not a whole number"),
        ("transcripts first steps", 2, "transcripts.first: a record of step '3' of 2"),
        ("transcripts first records", {"0": ["a"]}, "a record of step '0' of 3"),
        ("transcripts first records", {"1": ["a" * 6001]}, "a record of 6001 characters; the limit is 6000"),
        ("transcripts first records", {"1": [0]}, "a record that leaves out 0 lines"),
        ("transcripts first records", {"1": [["a"]]}, r"first.records.1.0. is .*, not str or int"),
        ("transcripts first records", {"1": ["a\u202eb"]}, "a record with a hidden character"),
        ("transcripts first records", {"1": ["a\nb"]}, "a record with a hidden character"),
        ("measures size unit", "<script>", "measures.size: no unit '<script>'; there are: bytes"),
        ("measures size value", 21, "the measure size is outside its bounds, but every claim passed"),
        ("measures size value", float("nan"), "measures.size.value is nan, not a number"),
        ("measures size low", 21, "the bounds 21 and 20 exclude every value"),
        ("measures start spread", [2.0], "the spread .2.0. is not a minimum and a maximum around 2.0"),
        ("measures start spread", [1.0, 1.5], "is not a minimum and a maximum around 2.0"),
    ],
)
def test_a_value_that_no_run_records_is_malformed(tmp_path, path, value, problem):
    """A date, a sentence, an outcome or a measure that no run can record is refused; the message has its place."""
    evidence.save_evidence(Evidence("hello", {"e": RUN}), tmp_path)
    file = evidence.evidence_file("hello", tmp_path)
    data = json.loads(file.read_text())
    *folders, key = path.split()
    table = functools.reduce(dict.__getitem__, folders, data["engines"]["e"])
    table[key] = value
    file.write_text(json.dumps(data))

    with pytest.raises(MalformedError, match=problem):
        evidence.load_evidence("hello", tmp_path)


def test_a_claim_has_a_sentence(tmp_path):
    """A claim that has no sentence, neither shared nor of its engine, is malformed."""
    evidence.save_evidence(Evidence("hello", {"e": RUN}), tmp_path)
    file = evidence.evidence_file("hello", tmp_path)
    file.write_text(file.read_text().replace('"test_a": "It holds."', ""))

    with pytest.raises(MalformedError, match=r"claims.test_a lacks the key 'sentence'"):
        evidence.load_evidence("hello", tmp_path)


def test_a_changed_word_is_one_changed_line(tmp_path):
    """A sentence is in the file once, for all engines that were run with it."""
    file = evidence.evidence_file("hello", tmp_path)
    lines = []
    for sentence in ("It holds.", "It still holds."):
        claims = {"test_a": Claim(sentence, "passed"), "test_b": Claim("It bows.", "passed")}
        run = dataclasses.replace(RUN, claims=claims)
        evidence.save_evidence(Evidence("hello", dict.fromkeys(("a", "b", "c"), run)), tmp_path)
        lines.append(file.read_text().splitlines())

    changed = [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]]
    assert changed == [('  "test_a": "It holds.",', '  "test_a": "It still holds.",')]


@pytest.mark.parametrize(
    ("keys", "shared"),
    [
        ({"a": "old", evidence.DEFAULT_ENGINE: "new", "z": "old"}, "new"),
        ({"z": "new", "b": "old"}, "old"),
    ],
)
def test_an_engine_keeps_the_sentence_that_it_was_run_with(tmp_path, keys, shared):
    """The default engine's sentence is shared, else that of the first; a run with another one keeps its own."""
    runs = {key: dataclasses.replace(RUN, claims={"test_a": Claim(word, "passed")}) for key, word in keys.items()}
    evidence.save_evidence(Evidence("hello", runs), tmp_path)
    data = json.loads(evidence.evidence_file("hello", tmp_path).read_text())
    stored = {key: run["claims"]["test_a"].get("sentence") for key, run in data["engines"].items()}

    assert data["claims"] == {"test_a": shared}
    assert stored == {key: None if word == shared else word for key, word in keys.items()}
    assert evidence.load_evidence("hello", tmp_path).runs == runs


def test_a_claim_that_one_engine_alone_has_is_kept(tmp_path):
    """A run from before a claim was renamed keeps the former one, with its sentence."""
    older = dataclasses.replace(RUN, claims={"test_old": Claim("It held.", "skipped", "no room")})
    whole = Evidence("hello", {evidence.DEFAULT_ENGINE: RUN, "z": older})
    evidence.save_evidence(whole, tmp_path)

    assert evidence.load_evidence("hello", tmp_path) == whole


@pytest.mark.parametrize("slug", ["floor", "followed", "mutants", "commands"])
def test_an_example_may_be_called_as_a_report_is(tmp_path, slug):
    """Evidence of examples and reports are in folders of their own."""
    evidence.save_evidence(Evidence(slug, {"e": RUN}), tmp_path)
    reports = {str(path) for path in (FLOOR_FILE, WALKTHROUGHS_FILE, SCORES_FILE)}

    assert evidence.evidence_file(slug, tmp_path).relative_to(tmp_path).as_posix() not in reports
    assert load_floor(tmp_path) == Floor()
    assert evidence.load_evidence(slug, tmp_path).runs == {"e": RUN}


def test_a_measure_outside_its_bounds_belongs_to_a_claim_that_did_not_pass():
    """A known failure of an engine is recorded with the measure that it took."""
    measures = {"size": Measure(21, "bytes", 0, 20)}
    claims = {"test_a": Claim("It holds.", "skipped", "Podman stores it twice")}

    assert not Run("d", "2026-11-20", RUN.engine, claims=claims, measures=measures).measures["size"].is_within_bounds
    with pytest.raises(ValueError, match="but every claim passed"):
        Run("d", "2026-11-20", RUN.engine, claims=RUN.claims, measures=measures)


def test_a_timing_that_is_within_its_bounds_again_is_news():
    """A timing whose recorded value was outside its bounds is recorded again once it is within them, noise or not."""
    skipped = {"test_a": Claim("It holds.", "skipped", "slow")}
    slow = dataclasses.replace(RUN, claims=skipped, measures={"start": Measure(2.1, "seconds", 0, 2)})
    quick = dataclasses.replace(RUN, measures={"start": Measure(1.9, "seconds", 0, 2)})

    assert evidence.with_run(Evidence("hello", {"e": slow}), "e", quick).runs["e"] == quick


@pytest.mark.parametrize("slug", examples.load_examples())
def test_recorded_evidence_is_written_as_it_was(slug, tmp_path):
    """Loading and saving a recorded file changes no byte."""
    evidence.save_evidence(evidence.load_evidence(slug), tmp_path)

    assert evidence.evidence_file(slug, tmp_path).read_bytes() == evidence.evidence_file(slug).read_bytes()


def test_a_run_names_its_engine():
    """The site shows the engine with its version, with an unusual image store, and with all its facts."""
    engine = {"name": "Docker", "version": "28.5.2", "store": "containerd", "base_images": "stand-ins"}
    run = dataclasses.replace(RUN, engine=engine)

    assert run.label == "Docker 28.5.2"
    assert (RUN.heading, run.heading) == ("Docker 28.5.2", "Docker 28.5.2 (containerd store)")
    assert run.details == "Docker 28.5.2 on 2026-11-20, store: containerd, base images: stand-ins"
    virtual = dataclasses.replace(run, engine={**engine, "cgroup": "2", "virtual": "yes"})
    assert virtual.heading == "Docker 28.5.2 (containerd store, virtual machine, cgroup v2)"


def _again(**changes):
    former = Evidence("hello", {"e": RUN})
    return evidence.with_run(former, "e", dataclasses.replace(RUN, date="2027-01-01", **changes)).runs["e"]


def test_a_run_without_news_leaves_the_recorded_one():
    """If only the date differs, or a timing by noise, the recorded run stays."""
    noisy = {**RUN.measures, "start": Measure(2.5, "seconds", 0, 60)}

    assert _again() == RUN
    assert _again(measures=noisy) == RUN


def test_a_timing_has_its_spread(tmp_path):
    """A timing is the median of its runs, with three digits; its spread is stored and decides what is noise."""
    timing = Measure.of([1.23456, 1.1, 1.9], "seconds", 0, 60)
    run = dataclasses.replace(RUN, measures={"start": timing})
    evidence.save_evidence(Evidence("hello", {"e": run}), tmp_path)

    assert (timing.value, timing.spread) == (1.23, (1.1, 1.9))
    assert evidence.load_evidence("hello", tmp_path).runs["e"] == run
    for value, moved in ((2.7, False), (2.9, True)):
        fresh = dataclasses.replace(run, measures={"start": Measure.of([value] * 3, "seconds", 0, 60)})
        assert (evidence.with_run(Evidence("hello", {"e": run}), "e", fresh).runs["e"] == fresh) is moved


def test_what_belongs_together_comes_from_one_run():
    """If one value really changed, the timings of that run are recorded with it, noise or not."""
    measures = {"size": Measure(11, "bytes", 0, 20), "start": Measure(2.5, "seconds", 0, 60)}

    assert _again(measures=measures).measures == measures


def test_a_real_change_is_recorded():
    """A changed size, bound or outcome is news, and so is a timing beyond noise."""
    for measure in (Measure(11, "bytes", 0, 20), Measure(10, "bytes", 0, 21)):
        assert _again(measures={**RUN.measures, "size": measure}).measures["size"] == measure
    slow = Measure(9.0, "seconds", 0, 60)
    assert _again(measures={**RUN.measures, "start": slow}).measures["start"] == slow
    assert _again(claims={"test_a": Claim("It holds.", "failed")}).date == "2027-01-01"
