"""A clock that jumps, as it does when a machine wakes up or asks the time: limits hold, and dates stay."""

from __future__ import annotations

import ast
import datetime
import itertools
import os
import time
from types import SimpleNamespace

import pytest

from drydock import ROOT, fixtures, host
from drydock.engine.client import Engine, run_docker
from drydock.errors import EngineError
from drydock.model import evidence
from drydock.model.evidence import Evidence
from drydock.model.transcript import parse_transcript
from drydock.replay.shell import run_steps, shell_environment
from drydock.testing import results
from drydock.testing.results import Result

DAY = 24 * 3600.0
ENGINE = Engine({}, facts={"id": "one", "name": "Docker", "version": "28.5.2", "store": "overlay2"})


@pytest.fixture(name="jumping", params=["forwards", "backwards", "both ways"])
def _jumping(request, monkeypatch):
    """Have the clock jump by a day each time that it is looked at. What counts seconds goes on as it does."""
    really = time.time
    jumps = {
        "forwards": itertools.count(1),
        "backwards": itertools.count(-1, -1),
        "both ways": itertools.cycle((1, -1)),
    }
    jump = jumps[request.param]
    monkeypatch.setattr(time, "time", lambda: really() + DAY * next(jump))
    assert abs(time.time() - time.time()) > DAY / 2


@pytest.fixture(name="run")
def _run(tmp_path):
    """Replay a transcript, and return what became of its steps, and how many seconds it took."""

    def run(text):
        began = time.monotonic()
        env = shell_environment({"PATH": os.environ["PATH"]}, tmp_path)
        return list(run_steps(parse_transcript(text, "t.console"), tmp_path, env)), time.monotonic() - began

    return run


@pytest.mark.usefixtures("jumping")
def test_a_limit_holds(run):
    """A step has the seconds that its limit gives it, and no more."""
    [slow, never], seconds = run("$ sleep 1.2; echo slow\nslow\n#% limit 1s\n$ sleep 60\n")

    assert slow.passed
    assert 1.2 <= slow.seconds < 30
    assert never.problem == "it did not end within 1 s and was ended"
    assert 2.2 <= seconds < 40


@pytest.mark.usefixtures("jumping")
def test_a_retry_ends(run):
    """A step is tried again for as long as its transcript says, both where that helps and where it does not."""
    [third, never], seconds = run("#% retry 20s\n$ n=$((n+1)); echo $n\n3\n#% retry 1s\n$ echo 1\n2\n")

    assert (third.passed, third.tries) == (True, 3)
    assert (never.passed, never.problem) == (False, "")
    assert never.tries > 1
    assert 1.2 <= seconds < 20


@pytest.mark.usefixtures("jumping")
def test_a_background_step_is_waited_for(run):
    """A line is waited for within the limit, however the clock goes."""
    [ready, never], _ = run(
        "#% until ready\n$ sleep 0.5; echo ready; sleep 60\nready\n#% limit 1s\n#% until never\n$ sleep 60\n"
    )

    assert ready.passed
    assert "did not end within 1 s" in never.problem


@pytest.mark.usefixtures("jumping")
def test_what_waits_for_an_engine_waits():
    """A test's condition, a command of the engine, and the start of a private engine have their seconds, too."""
    answers = iter([False, False, True])
    assert fixtures.until(lambda: next(answers), "the third answer", 20)

    began = time.monotonic()
    with pytest.raises(pytest.fail.Exception, match=r"not within 0\.5 s: the impossible"):
        fixtures.until(lambda: False, "the impossible", 0.5)
    assert not host.wait_until(lambda: False, 0.5)
    with pytest.raises(EngineError, match=r"no end within 0\.5 s"):
        run_docker(["sleep", "60"], os.environ, check=True, text=None, timeout=0.5)
    assert 1.5 <= time.monotonic() - began < 30


@pytest.mark.parametrize("days", [-1, 1])
def test_evidence_keeps_its_date(monkeypatch, days):
    """A run that says nothing new leaves the date as it was; one that does has the day that the machine then takes."""
    old = [Result("t", "hello-container", kind="claim", name="test_a", sentence="It is so.")]
    new = [*old, Result("u", "hello-container", kind="claim", name="test_b", sentence="It is so as well.")]
    today = datetime.datetime.now(datetime.UTC)
    first = evidence.with_run(Evidence("hello-container"), "e", results.build_run(ENGINE, "hello-container", old))
    wrong = SimpleNamespace(now=lambda zone: today + datetime.timedelta(days=days))
    monkeypatch.setattr(results, "datetime", SimpleNamespace(datetime=wrong, UTC=datetime.UTC))
    again = evidence.with_run(first, "e", results.build_run(ENGINE, "hello-container", old))
    more = evidence.with_run(again, "e", results.build_run(ENGINE, "hello-container", new))

    assert again == first
    assert more.runs["e"].date == (today + datetime.timedelta(days=days)).date().isoformat()


def test_no_limit_is_taken_from_the_clock():
    """Only what says when something was looks at the clock: what passed. All else counts seconds."""
    clocked = {
        path.name
        for path in (ROOT / "drydock").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.time"
    }

    assert clocked == {"passed.py"}
