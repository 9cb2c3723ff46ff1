"""The pytest plugin on a small repository, with an engine that is none: what a run keeps, and its order."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from drydock import ROOT
from drydock.testing import history

#: Loaded by each process of a run: answers for the engine. What STUB_LEFT names is on it.
STUB = """
import os
from drydock.engine import Engine, choose, resources
from drydock.engine.resources import Resource
from drydock.engine import base_images
from drydock.errors import UnfitEngineError
from drydock.model import example, known_failures
from drydock.model.known_failures import KnownFailure
from drydock.testing import passed, results, verdict
facts = {"id": "none", "name": "Docker", "version": "28.5.2", "store": "overlay2", "base_images": "official"}
facts |= {"architecture": "amd64"}
client = {"DOCKER_HOST": "unix:///none", "PATH": os.environ["PATH"]}
choose.get_engine = lambda name="", folder="", varied=False: Engine(client, facts=facts)

def list_resources(engine, patterns=()):
    name = os.environ.get("STUB_LEFT", "").replace("RUN", os.environ.get("DRYDOCK_RUN", ""))
    return [Resource("volume", name, name)] if name else []

resources.list_resources = list_resources
resources.remove_resources = lambda engine, doomed: []
recorded = os.environ.get("STUB_RECORDED", facts["version"])
verdict.recorded_facts = lambda: {"docker-" + recorded[:4]: [{**facts, "version": recorded}]}
listed = os.environ.get("STUB_LISTED", "").split()
reason = "It has no such thing"
known_failures.failures_on = lambda facts: {test: KnownFailure("docker >= 1", reason, test, False) for test in listed}

def pull_base_images(engine, example):
    if "STUB_PULL" in os.environ:
        raise UnfitEngineError(os.environ["STUB_PULL"])

base_images.pull_base_images = pull_base_images
slugs = ("greeting", "farewell", "thanks")
example.load_examples = lambda: dict.fromkeys(slugs)
passed.unit_digests = lambda engine, units: {unit: f"digest of {unit}" for unit in units}
results.evidence.save_evidence = lambda evidence: print("\\nsaved", evidence.slug) or True
results.build_run = lambda engine, slug, results: None
results.evidence.with_run = lambda evidence, key, run: evidence
results.raise_floor = lambda: print("\\nraised")
results.below_floor = lambda ran: print("\\ncounted", *results.count_results(ran).items()) or []
"""
CONFTEST = """
pytest_plugins = ["stub", "drydock.testing.plugin", "drydock.fixtures"]
"""
CLAIMS = '''
import os, pytest

@pytest.fixture(scope="module", autouse=True)
def one_module_at_a_time():
    yield

def test_one():
    """It is one."""

def test_two():
    """It is two."""
    assert os.environ.get("STUB_FAIL") != __name__
    if os.environ.get("STUB_INTERRUPT") == __name__:
        raise KeyboardInterrupt

def test_three():
    """It is three."""
    pytest.skip(os.environ.get("STUB_REASON", "no third"))

def test_four():
    """It is four."""
'''
TRANSCRIPTS = '''
import pytest
from pathlib import Path
from drydock.errors import ReplayError
from drydock.model.example import Example
from drydock.replay import replay
from drydock.testing.results import report_steps

@pytest.mark.parametrize(("slug", "name"), [("greeting", "run"), ("thanks", "run")])
def test_transcript(slug, name, engine, tmp_path, request):
    """It prints."""
    example = Example(Path("examples", slug).absolute())
    try:
        job = replay.Job(engine, example, name, tmp_path / "copy", tmp_path / "locks")
        report_steps(request.node, replay.run_job(job))
    except ReplayError as error:
        report_steps(request.node, error.outcomes)
        raise pytest.fail.Exception(str(error), pytrace=False) from None
'''
CONSOLE = """\
$ echo one
one
#% retry 5s
$ n=$((n+1)); echo $n
3
"""


@pytest.fixture(name="top")
def _top(tmp_path, monkeypatch):
    """Write a repository with three examples, two of which have a transcript."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("DRYDOCK_RUN", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    top = tmp_path / "repository"
    files = {
        "stub.py": STUB,
        "conftest.py": CONFTEST,
        "pytest.ini": "[pytest]\naddopts = --container-scope=module\n",
        **{f"tests/examples/test_{slug}.py": CLAIMS for slug in ("greeting", "farewell", "thanks")},
        "tests/examples/test_transcripts.py": TRANSCRIPTS,
        **{f"examples/{slug}/transcripts/run.console": CONSOLE for slug in ("greeting", "thanks")},
    }
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return top


#: Files are named, so that this is no run of all tests, which is held to the floor.
FILES = [f"tests/examples/test_{name}.py" for name in ("greeting", "farewell", "thanks", "transcripts")]


@pytest.fixture(name="run")
def _run(top):
    def run(*options, files=FILES, **env):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--on-engine", *files, *options]
        path = os.pathsep.join([str(top), str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            command,
            cwd=top,
            env={**os.environ, "PYTHONPATH": path, "DOCKER_HOST": "unix:///none", **env},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


#: Without the last option, xdist would begin with the example that has most tests, in any order.
WORKERS = ["-n", "2", "--dist", "loadgroup", "--random-order", "--random-order-seed=3", "--no-loadscope-reorder"]


@pytest.mark.parametrize("parallel", [[], WORKERS], ids=["alone", "workers"])
def test_a_run_is_kept_in_the_history(run, parallel):
    """Each test has its outcome and its seconds, each step its tries; with workers and in random order too."""
    status, said = run(*parallel, DRYDOCK_RUN="0badcafe")
    assert status == 0, said
    [ran] = history.load_runs()

    assert "ran on several workers" not in said
    assert (ran.run, ran.engine, ran.left, ran.recording) == ("0badcafe", "docker-28.5", (), False)
    assert set(ran.digests) >= {"greeting", "farewell", "thanks"}
    results = {result.place: result for result in ran.results}
    assert len(ran.results) == len(results) == 14
    assert results["tests/examples/test_thanks.py::test_two"].outcome == "passed"
    assert results["tests/examples/test_thanks.py::test_three"].outcome == "skipped"
    transcript = results["examples/greeting/transcripts/run.console"]
    assert (transcript.unit, transcript.outcome) == ("greeting", "passed")
    assert [(step.line, step.tries, step.passed) for step in transcript.steps] == [(1, 1, True), (4, 3, True)]
    assert transcript.seconds > 2 * 0.1  # it was tried three times


def test_what_went_wrong_is_kept(run, top):
    """The history has what failed, a transcript's steps up to the one that did, and what was left on the engine."""
    (top / "examples/greeting/transcripts/run.console").write_text("$ echo one\none\n$ echo 2\n3\n$ echo 4\n4\n")
    status, said = run(STUB_FAIL="test_thanks", STUB_LEFT="greeting-tRUN-data")
    [ran] = history.load_runs()
    results = {result.place: result for result in ran.results}
    steps = results["examples/greeting/transcripts/run.console"].steps

    assert status == 1, said
    assert [place for place, result in results.items() if result.outcome == "failed"] == [
        "tests/examples/test_thanks.py::test_two",
        "examples/greeting/transcripts/run.console",
    ]
    assert [(step.line, step.passed) for step in steps] == [(1, True), (3, False)]
    assert ran.left == (f"left behind, and removed now: volume greeting-t{ran.run}-data",)


def test_a_run_can_be_kept_out_of_the_history(run):
    """A run whose tests are made to fail leaves the history as it was."""
    assert run("--no-history", "-k", "test_one")[0] == 0
    assert history.load_runs() == []


def test_a_recording_saves_the_examples_that_passed(run):
    """A recording of all tests saves the evidence of each example, and raises the floor if nothing failed."""
    good = run("--record", files=["tests"])[1]
    bad = run("--record", files=["tests"], STUB_FAIL="test_thanks")[1]

    assert re.findall(r"^(?:saved|raised).*", good, re.MULTILINE) == [
        *("saved farewell", "saved greeting", "saved thanks"),
        "raised",
    ]
    assert re.findall(r"^(?:saved|raised).*", bad, re.MULTILINE) == ["saved farewell", "saved greeting"]
    assert "evidence of thanks not written: tests/examples/test_thanks.py::test_two failed" in bad


def test_an_interrupted_recording_saves_nothing(run):
    """After Ctrl-C some claims of an example are missing, so its evidence stays as it was."""
    status, said = run("--record", files=["tests"], STUB_INTERRUPT="test_thanks")

    assert status == 2, said
    assert "no evidence written: the run ended early" in said
    assert not re.search(r"^(?:saved|raised)", said, re.MULTILINE)


@pytest.mark.parametrize("parallel", [[], ["-n", "2", "--dist", "loadgroup"]], ids=["alone", "workers"])
def test_an_unknown_engine_gets_a_verdict(run, top, parallel):
    """The run says what was never recorded, and ends with what holds, what is known, and a diff of what isn't."""
    (top / "examples/greeting/transcripts/run.console").write_text("$ echo one\ntwo\n")
    listed = "thanks::test_two thanks::test_one"
    status, said = run(*parallel, STUB_RECORDED="28.4.1", STUB_LISTED=listed, STUB_FAIL="test_thanks")
    start, _, end = said.partition("verdict on Docker 28.5.2")

    assert status == 1, said
    assert "  Docker 28.5: never recorded (newest recorded: Docker 28.4)\n" in start
    assert "Traceback" not in said
    assert "= FAILURES =" not in said
    assert "8 of 9 claims and 1 of 2 transcripts that ran hold on this engine.\n" in end
    assert "Known differences (1):\n  It has no such thing (1):\n    thanks::test_two\n" in end
    assert "Known differences that don't show here (1):\n  It has no such thing (1):\n    thanks::test_one\n" in end
    assert "Not tested (3):\n  no third (3):\n" in end
    assert "Unknown differences (1):\n  greeting::transcripts/run\n    examples/greeting/transcripts/run" in end
    assert "\n      - two\n      + one\n" in end, end
    [path] = re.findall(r"send the maintainers this file: (\S+)", end)
    report = pathlib.Path(path).read_text()
    assert '"version": "28.5.2"' in report
    assert "  + one\n" in report


def test_only_unknown_differences_fail_on_an_unknown_engine(run):
    """What is known to fail, and what isn't but is on the list, fail no run on an engine that was never recorded."""
    listed = "thanks::test_two thanks::test_one"
    new = run(STUB_RECORDED="28.4.1", STUB_LISTED=listed, STUB_FAIL="test_thanks", DRYDOCK_REPOSITORY="https://x/y")
    known = run(STUB_LISTED=listed, STUB_FAIL="test_thanks")

    assert new[0] == 0, new[1]
    assert "No unknown difference." in new[1]
    assert known[0] == 1
    assert "XPASS(strict)" in known[1]
    assert "verdict on" not in known[1]


def test_a_claim_that_fails_on_an_unknown_engine(run):
    """A claim's assertion is in the verdict, with the place to report it to."""
    status, said = run(STUB_RECORDED="28.4.1", STUB_FAIL="test_thanks", DRYDOCK_REPOSITORY="https://host/a/b/")

    assert status == 1
    assert "  thanks::test_two\n    AssertionError: assert 'test_thanks' != 'test_thanks'\n" in said
    assert "open an issue at https://host/a/b/issues with this file: " in said


def test_recording_is_strict_on_an_unknown_engine(run):
    """Evidence and the list of known failures have to agree: what is on the list and holds isn't recorded."""
    listed = {"STUB_RECORDED": "28.4.1", "STUB_LISTED": "thanks::test_two thanks::test_one"}
    status, said = run("--record", files=["tests"], STUB_FAIL="test_thanks", **listed)

    assert status == 1
    assert re.findall(r"^saved.*", said, re.MULTILINE) == ["saved farewell", "saved greeting"]
    assert "evidence of thanks not written: tests/examples/test_thanks.py::test_one failed" in said
    assert "listed as a known failure, but it holds here: narrow the condition (It has no such thing)" in said


def test_a_base_image_that_cannot_be_pulled_ends_the_run(run):
    """Without its base images, no test of an example can pass: the run ends with one message."""
    status, said = run(STUB_PULL="the engine can't pull busybox:1.37")

    assert status == 1
    assert "!! the engine can't pull busybox:1.37 !!" in said
    assert "1 failed" in said or "1 error" in said


def _holds(top):
    """Write a test of the harness that is tried for an example."""
    (top / "tests/harness").mkdir()
    (top / "tests/harness/conftest.py").touch()  # then pytest calls hooks without the plugins of other folders
    (top / "tests/harness/test_holds.py").write_text(
        'import pytest\n\n@pytest.mark.parametrize("slug", ["thanks"])\ndef test_holds(slug):\n    """It holds."""\n'
    )


def test_a_test_of_the_harness_is_no_claim(run, top):
    """What is tried for an example by a test of the harness is run with it, and is no claim of the example."""
    _holds(top)
    status, said = run("tests/harness/test_holds.py", "--results=results.json", "--no-history")
    results = json.loads((top / "results.json").read_text())

    assert status == 0, said
    assert {each["test"].partition("::")[0] for each in results} == set(FILES)


@pytest.mark.parametrize("parallel", [[], WORKERS], ids=["alone", "workers"])
def test_a_skip_is_reported_again(run, parallel):
    """What passed but for a skip is not run again, and each run says again what was skipped, and why."""
    first, again = (run("--unproven", *parallel, files=["tests"])[1] for _ in range(2))
    told = re.sub(r"passed \d+ min", "passed a while", again).splitlines()
    said = [line for line in told if "ago on this engine" in line or "but not" in line]

    assert "ago on this engine" not in first
    assert said == [
        line
        for slug in ("greeting", "farewell", "thanks")
        for line in (
            f"drydock: {slug}: passed a while ago on this engine, unchanged since",
            f"drydock:   but not tests/examples/test_{slug}.py::test_three: no third",
        )
    ]
    assert " passed in " not in again
    assert (first + again).count("\ncounted ('claims', 12) ('transcripts', 2)\n") == 2


def test_an_example_that_was_asked_for_has_passed(run, top):
    """An example that passes when it is run by itself is skipped. Single tests of it aren't enough, nor are those tests
    of the harness that run with it.
    """
    _holds(top)
    ran = [run("--example=thanks", files=["tests"])[1]]
    ran.append(run("--example=greeting", "-k", "test_one", files=["tests"])[1])
    said = run("--unproven", files=["tests"])[1]

    assert ["5 passed" in each for each in ran] == [True, False]  # one of them is the harness's
    assert re.findall(r"(\w+): passed", said) == ["thanks"]
    assert "8 passed, 2 skipped" in said


def test_a_skip_without_a_reason_is_run_again(run):
    """Where nothing says why a test was skipped, its example is run again."""
    run("--unproven", files=["tests"], STUB_REASON="")

    assert "ago on this engine" not in run("--unproven", files=["tests"])[1]


def test_nothing_is_recorded_on_variations(run):
    """--vary-bases with --record is refused, with the way out."""
    status, output = run("--vary-bases", "--record")

    assert status == 4
    assert "with --vary-bases nothing is recorded: run it without --record" in output


def test_what_passes_on_variations_runs_again(run, top):
    """A run with --vary-bases is named as such, and leaves neither passed units nor history."""
    status, output = run("--vary-bases", "--unproven", files=[])

    assert status == 0
    assert "base images: official, varied" in output
    assert not [path for path in (top.parent / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_history_that_cannot_be_written_fails_no_run(run, tmp_path):
    """Where there is no room for the history, the run says so and stands."""
    (tmp_path / "cache/drydock").mkdir(parents=True)
    (tmp_path / "cache/drydock/history").write_text("in the way")
    status, said = run("-k", "test_one")

    assert status == 0, said
    assert "this run is not in the history" in said


@pytest.fixture(name="order")
def _order(run):
    """Return the order of the tests by a seed."""

    def order(seed, *options):
        options = ("--collect-only", "-q", "--no-history", "--random-order", f"--random-order-seed={seed}", *options)
        return re.findall(r"^tests/\S+::\S+", run(*options)[1], re.MULTILINE)

    return order


def test_the_order_of_the_files_is_shuffled(order):
    """One seed is one order of the files, another one another; the tests of each stay in theirs."""
    first, again, second = order(1), order(1), order(2)
    files = [list(dict.fromkeys(test.partition("::")[0] for test in tests)) for tests in (first, second)]

    assert len(first) == 14
    assert first == again
    assert files[0] != files[1]
    assert sorted(files[0]) == sorted(files[1]) == sorted(FILES)
    for tests, names in ((first, files[0]), (second, files[1])):
        assert tests == [test for name in names for test in sorted(tests, key=_place) if test.startswith(name)]


def _place(test):
    """Return a test's place in its file."""
    names = ["test_one", "test_two", "test_three", "test_four", "greeting/run", "greeting-run", "thanks-run"]
    return [name in test for name in names].index(True)


def test_the_order_within_a_file_is_shuffled_if_wanted(order):
    """The tests of a file are shuffled where that is asked for, and stay together: they share what they build."""
    tests = order(1, "--shuffle-within")
    files = [test.partition("::")[0] for test in tests]

    assert len(set(tests)) == 14
    assert sum(a != b for a, b in itertools.pairwise(files)) == 3
    assert tests != [test for name in dict.fromkeys(files) for test in sorted(tests, key=_place) if name in test]
