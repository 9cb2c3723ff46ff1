"""What the harness was tried on: how it is counted, kept and shown. No engine."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys

import pytest
from test_site import site

from drydock import ROOT
from drydock.errors import MalformedError
from drydock.model import held
from drydock.model.held import Held, Tally

__all__ = ["site"]

FAULTS = Tally(
    "2026-11-26", "docker-28.5", (Held("t.py::test_a", "It ends.", 4, 0), Held("t.py::test_b", "A < B.", 1, 1))
)
FUZZ = Tally("2026-11-27", "", (Held("f.py::test_any", "Any `text` is one.", 5000, 0),))

TESTS = '''
import pytest
from hypothesis import assume, given, settings, strategies as st

some = settings(max_examples=7, derandomize=True, database=None)

@some
@given(st.integers())
def test_any(number):
    """Any number is one. It is odd or even."""
    assume(number != 0)

@pytest.mark.parametrize("case", ["a", "b"])
@some
@given(st.integers())
def test_both(case, number):
    """Both cases,
    for any number."""

@pytest.mark.parametrize("case", [1, 2, 3])
def test_cases(case):
    """Not all of them pass."""
    assert case != 2

@pytest.fixture
def broken():
    raise ZeroDivisionError

@pytest.mark.parametrize("case", [1, 2])
def test_skip(case):
    """One is skipped."""
    if case == 2:
        pytest.skip("not here")

def test_unbegun(broken):
    """It is never begun."""
'''


def _run(folder, *options):
    """Run such tests, and return the exit status and what was said."""
    (folder / "evidence").mkdir(exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text('pytest_plugins = ["drydock.testing.plugin", "drydock.testing.counting"]\n')
    (folder / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=env)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["0", "2"])
def test_inputs_and_cases_are_counted(tmp_path, workers):
    """Of a property its inputs, of any other test its cases that ran; and the cases that failed, of both."""
    (tmp_path / "evidence").mkdir()
    held.save("faults", FAULTS, tmp_path)
    status, said = _run(tmp_path, "--tally=fuzz", "-n", workers)
    found = held.load(tmp_path)

    assert status == 1, said
    assert "drydock: evidence/harness.json: 5 tests, tried 25 times, 2 failed" in said
    assert found["faults"] == FAULTS
    assert found["fuzz"].engine == ""
    assert found["fuzz"].tests == (
        Held("test_it.py::test_any", "Any number is one.", 7, 0),
        Held("test_it.py::test_both", "Both cases, for any number.", 14, 0),
        Held("test_it.py::test_cases", "Not all of them pass.", 3, 1),
        Held("test_it.py::test_skip", "One is skipped.", 1, 0),
        Held("test_it.py::test_unbegun", "It is never begun.", 0, 1),
    )


def test_nothing_is_kept_of_a_run_that_was_ended(tmp_path):
    """What is counted by half, or not asked for, is not kept."""
    assert _run(tmp_path, "-k", "test_any")[0] == 0
    assert _run(tmp_path, "--tally=fuzz", "-k", "test_nothing")[0] == 5
    assert held.load(tmp_path) == {}


def test_a_file_that_cannot_be_read_is_told_of_at_once(tmp_path):
    """Counts that could not be kept are not waited for."""
    (tmp_path / "evidence").mkdir()
    (tmp_path / held.RESULTS).write_text("{")
    status, said = _run(tmp_path, "--tally=fuzz")

    assert status == 4
    assert "evidence/harness.json: no tally of tests" in said
    assert "delete it and run: nox -s faults, and nox -s fuzz" in said


def test_counts_survive_the_file(tmp_path):
    """Counts are read as they were written, each kind beside the other, and anything else is refused."""
    (tmp_path / "evidence").mkdir()
    assert held.load(tmp_path) == {}
    held.save("faults", FAULTS, tmp_path)
    held.save("fuzz", FUZZ, tmp_path)
    good = dataclasses.asdict(FUZZ)

    assert held.load(tmp_path) == {"faults": FAULTS, "fuzz": FUZZ}
    for wrong in (
        "{",
        "[]",
        json.dumps({"other": good}),
        *(json.dumps({"fuzz": {**good, **odd}}) for odd in ({"date": "x"}, {"engine": 5}, {"tests": [5]}, {"more": 1})),
        *(
            json.dumps({"fuzz": {**good, "tests": [{**good["tests"][0], **odd}]}})
            for odd in ({"tried": -1}, {"failed": 1.5}, {"says": None}, {"more": 1})
        ),
    ):
        (tmp_path / held.RESULTS).write_text(wrong)
        with pytest.raises(MalformedError, match="nox -s fuzz"):
            held.load(tmp_path)


def test_the_site_shows_the_counts(site):
    """The page says that nothing is on record until there are counts, and then says how many, and lists them."""
    both = ":::{held} faults\n:::\n\n:::{held} fuzz\n:::"
    site.page("first", f":::{{example}} greeting/Dockerfile\n:::\n\n{both}")
    built = site.build()
    assert built.warnings == []
    assert built.text("first.html").count("<p>No run of them is on record") == 2

    held.save("faults", FAULTS, site.top)
    held.save("fuzz", FUZZ, site.top)
    built = site.build()
    tables = re.findall('(?s)<table class="drydock-held.*?</table>', built.text("first.html"))
    assert built.warnings == []
    assert re.findall("<p>(Last on .*?)</p>", built.text("first.html")) == [
        "Last on 2026-11-26, on "
        '<code class="docutils literal notranslate">docker-28.5</code>, 2 faults in 5 ways: 1 failed.',
        "Last on 2026-11-27, 1 properties on 5,000 inputs: 0 failed.",
    ]
    assert [re.findall("<p>(.*?)</p>", row) for table in tables for row in table.split("<tr>")[1:]] == [
        ["What has to hold", "Ways", "Failed"],
        ["It ends.", "4", "0"],
        ["A &lt; B.", "1", "1"],
        ["What has to hold", "Inputs", "Failed"],
        ['Any <code class="docutils literal notranslate">text</code> is one.', "5,000", "0"],
    ]


def test_a_kind_that_there_is_not(site):
    """An author's mistake is told, with what there is."""
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n:::{held} fuz\n:::")
    [warning] = site.build().warnings

    assert "no kind of tests 'fuz'; did you mean fuzz?" in warning
