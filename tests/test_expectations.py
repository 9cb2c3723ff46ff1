"""The expectations of single examples, and what other engines do not uphold."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from drydock import ROOT
from drydock.errors import MalformedError
from drydock.model import evidence, example as examples, exercises, expectations, known_failures
from drydock.model.conditions import parse_condition
from drydock.model.expectations import Expectations
from drydock.model.known_failures import KnownFailure
from drydock.testing import plugin

GREETING = """
[known_failures."product = podman"]
"It has no such thing" = ["test_greets", "test_ends"]
"""
OTHER = """
[known_failures."podman-5.4"]
"Its message is another one" = ["test_one"]

[known_failures."compose < 2.40"]
"It has no such option" = ["test_one", "test_two", "transcripts/two"]

[flaky."product = podman"]
"It is slow now and then" = ["transcripts/two"]
"""
PODMAN = {"name": "Podman", "version": "5.4.2", "store": "overlay", "compose": "2.26.1"}
DOCKER = {"name": "Docker", "version": "29.7.2", "store": "containerd", "compose": "5.6.1"}


def _written(top, slug, text):
    file = top / expectations.expectations_file(slug)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return top


def test_reasons_by_claim(tmp_path):
    """An engine inherits what is known of its parts. The first reason counts, and a flaky one before the others."""
    _written(tmp_path, "greeting", GREETING)
    _written(tmp_path, "other", OTHER)
    failures = known_failures.failures_on(PODMAN, tmp_path)

    assert {test: (failure.reason, failure.flaky) for test, failure in failures.items()} == {
        "greeting::test_greets": ("It has no such thing", False),
        "greeting::test_ends": ("It has no such thing", False),
        "other::test_one": ("Its message is another one", False),
        "other::test_two": ("It has no such option", False),
        "other::transcripts/two": ("It is slow now and then", True),
    }
    assert known_failures.failures_on(DOCKER, tmp_path) == {}


def test_no_file(tmp_path):
    """An example without a file has no exemption, no known failure, no mutant and no exercise."""
    assert known_failures.failures_on(PODMAN, tmp_path) == {}
    assert expectations.load_expectations("greeting", tmp_path) == Expectations()


EXERCISE = "[exercise]\npage = 'a/b'\npath = 'y'\nold = '1'\nnew = '2'\ntask = 't'\nclaims = ['test_a']\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[x", "Expected"),
        ("podman = 1", "unknown key 'podman'"),
        ("[hardning]", "unknown key 'hardning'; did you mean hardening"),
        ("known_failures = 1", "known_failures is 1, not a table"),
        ('[known_failures.podman]\nreason = "test_a"', "known_failures.podman.reason is 'test_a', not a list"),
        ("[flaky.podman]\nreason = [1]", r"flaky.podman.reason\[0\] is 1, not text"),
        ('[flaky."product = podman"]\n"" = ["test_a"]', "has no reason"),
        ('[flaky."compos >= 5"]\na = ["test_a"]', "no dimension 'compos'; did you mean compose"),
        ('[known_failures."store = contained"]\na = ["test_a"]', "no store 'contained'; did you mean containerd"),
        ('[conventions]\nDockerfile = { lacks = ["user"] }', "lacks the key 'why'"),
        ('[hardening]\n"compose.yaml a" = { lacks = [], why = "b" }', "an exemption says what is lacking"),
        ('[hardening]\n"compose.yaml a" = { lacks = ["user"], why = "" }', "an exemption says what is lacking"),
        ('[[mutants]]\npath = "a"\nold = "b"\nnew = "c"\nline = 3', "unknown key 'line'"),
        ('[equivalent]\n"Dockerfile: drop USER 1" = ""', "without a reason"),
        ("[exercise]\npage = 'a/b'", "lacks the key"),
        (EXERCISE.replace("['test_a']", "[]"), "nothing would notice the fault"),
        (EXERCISE.replace("['test_a']", "'test_a'"), "exercise.claims is 'test_a', not a list"),
        (EXERCISE.replace("'2'", "'1'"), "old has to be text that new changes"),
        (EXERCISE.replace("'1'", "''"), "old has to be text that new changes"),
        (EXERCISE.replace("'t'", "5"), "exercise.task is 5, not text"),
        (EXERCISE.replace("'y'", "5"), "exercise.path is 5, not text"),
        (EXERCISE.replace("'1'", "5"), "exercise.old is 5, not text"),
    ],
)
def test_malformed(tmp_path, text, problem):
    """A file with an unknown section or key, or a wrong value, is refused with its name and the place in it."""
    _written(tmp_path, "greeting", text)

    loads = (exercises.find_exercise, expectations.load_expectations)
    for load in (lambda _, top: known_failures.failures_on(PODMAN, top), *loads):
        with pytest.raises(MalformedError, match=rf"^tests/examples/greeting\.toml.*{problem}"):
            load("greeting", tmp_path)


def test_every_file_is_of_an_example():
    """A file in tests/examples is named after the example that it is about."""
    assert set(expectations.load_all_expectations()) <= set(examples.load_examples())


class Item:
    """A test, as far as it is marked."""

    def __init__(self):
        self.marks = []

    def add_marker(self, mark):
        """Keep the mark."""
        self.marks.append(mark)


def test_a_difference_that_is_gone_fails_the_run():
    """What is on the list has to fail, and a pass of it is a failure; what holds by chance is not run."""
    listed, chance, other = Item(), Item(), Item()
    plugin.expect_failure(listed, KnownFailure("podman-5.4", "It has no such thing", "a::b", flaky=False))
    plugin.expect_failure(chance, KnownFailure("podman-5.4", "It is slow now and then", "a::c", flaky=True))
    plugin.expect_failure(other, None)

    assert [(mark.name, mark.kwargs) for mark in listed.marks] == [
        ("xfail", {"reason": "It has no such thing", "strict": True})
    ]
    assert [(mark.name, mark.kwargs) for mark in chance.marks] == [("skip", {"reason": "It is slow now and then"})]
    assert other.marks == []


def test_transcripts_have_names_of_their_own():
    """A transcript is on the list by its own name, and a claim by its function, whatever it is tried with."""
    transcript = SimpleNamespace(
        path=Path("tests/examples/test_transcripts.py"),
        name="test_transcript[greeting/first-run]",
        originalname="test_transcript",
        callspec=SimpleNamespace(params={"slug": "greeting", "name": "first-run"}),
    )
    claim = SimpleNamespace(
        path=Path("tests/examples/test_greeting.py"),
        name="test_greets[one]",
        originalname="test_greets",
        callspec=SimpleNamespace(params={"name": "one"}),
    )

    assert plugin.claim_name(transcript) == "transcripts/first-run"
    assert plugin.claim_name(claim) == "test_greets"


def test_all_that_is_listed_is_there():
    """Every engine on the list is recorded, and every claim is a test."""
    known = examples.load_examples()
    recorded = {key for slug in known for key in evidence.load_evidence(slug).runs}
    for condition, reason, claim, _ in known_failures.all_failures():
        slug, _, test = claim.partition("::")
        tests = {node.name for node in ast.parse((ROOT / known[slug].test).read_text()).body if hasattr(node, "name")}
        tests |= {f"transcripts/{name}" for name in known[slug].transcripts}

        assert {term.value for term in parse_condition(condition) if not term.name} <= recorded
        assert test in tests, claim
        assert reason


#: The version of Docker's API that an engine supports, where it was recorded before that was a fact.
API = {"docker-26.1": "1.45", "docker-28.5": "1.51", "docker-28.5-containerd": "1.51", "podman-5.4": "1.41"}


@pytest.mark.parametrize("slug", examples.load_examples())
def test_no_condition_is_too_wide(slug):
    """On the engines that were recorded, nothing passed that is listed for them."""
    for key, run in evidence.load_evidence(slug).runs.items():
        if run.digest != examples.load_examples()[slug].digest():
            continue  # the site's checks report it
        listed = known_failures.failures_on({"api": API.get(key, ""), **run.engine})
        outcomes = [(test.partition("[")[0], claim.outcome) for test, claim in run.claims.items()]
        outcomes += [(f"transcripts/{name}", replayed.outcome) for name, replayed in run.transcripts.items()]
        passed = {test for test, _ in outcomes} - {test for test, outcome in outcomes if outcome != "passed"}

        assert not [test for test in passed if f"{slug}::{test}" in listed], key
