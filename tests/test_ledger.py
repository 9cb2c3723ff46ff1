"""The ledger of runs: kept, bounded, and read in spite of damage; what its runs say of each other. No engine."""

from __future__ import annotations

import dataclasses
import gzip
import subprocess
import sys

import pytest

from drydock import ROOT
from drydock.testing import history
from drydock.testing.history import Flake, ResultRecord, RunRecord, StepRecord

CONSOLE = "examples/hello/transcripts/run.console"
TESTS = {
    "test_hello.py::test_a": ResultRecord("hello", "passed", 1.5),
    CONSOLE: ResultRecord("hello", "passed", 4.0, (StepRecord(2, 0.5, 1, True), StepRecord(9, 0.25, 3, True))),
}


def ran(number, **changed):
    """Return a run; the later, the higher its number."""
    date = f"2026-11-{1 + number // 24:02}T{number % 24:02}:00:00+00:00"
    return RunRecord(**{"run": f"{number:08x}", "engine": "docker-28.5", "date": date, "tests": TESTS, **changed})


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_runs_are_read_as_they_were_kept():
    """What was kept is read again, with its steps, the oldest run first; where nothing was kept there is nothing."""
    assert history.load_runs() == []
    runs = [ran(number, digests={"hello": "d"}, left=("container hello",), recording=bool(number)) for number in (0, 1)]
    for each in reversed(runs):
        history.keep_run(each)

    assert history.load_runs() == runs


def test_only_the_last_runs_are_kept(monkeypatch):
    """The ledger does not grow without end: the oldest run goes, and so does what was damaged and is as old."""
    monkeypatch.setattr(history, "KEPT", 3)
    history.keep_run(ran(0))
    [place] = history.history_folder().iterdir()
    place.write_bytes(b"damaged")
    assert history.load_runs() == []
    for number in range(1, 6):
        history.keep_run(ran(number))

    assert [each.run for each in history.load_runs()] == ["00000003", "00000004", "00000005"]
    assert len(list(history.history_folder().iterdir())) == 3
    history.keep_run(ran(2))  # by a clock that was put back
    assert [each.run for each in history.load_runs()] == ["00000002", "00000004", "00000005"]


def _packed(text):
    return gzip.compress(text.encode(), mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no gzip",
        gzip.compress(b"{}", mtime=0)[:-4],
        *map(
            _packed,
            ("{", "[]", "{}", '{"tests": {"a": {}}, "left": []}', '{"tests": {"a": 1}, "left": []}', "[" * 100_000),
        ),
    ],
    ids=range(9),
)
def test_a_damaged_file_is_moved_aside_and_told_of(data, capsys):
    """A file that cannot be read costs its run and no other; it is told of once, and stays to be looked at."""
    for number in (0, 1):
        history.keep_run(ran(number))
    place = min(history.history_folder().iterdir())
    place.write_bytes(data)

    assert [each.run for each in history.load_runs()] == ["00000001"]
    assert f"{place} is damaged" in capsys.readouterr().out
    assert place.with_suffix(".damaged").read_bytes() == data
    assert len(history.load_runs()) == 1
    assert capsys.readouterr().out == ""


WRITER = """
import sys
from drydock.testing import history
from drydock.testing.history import ResultRecord, RunRecord
history.KEPT = 40
for number in range(50):
    tests = {"t": ResultRecord("u", "passed", 1.0)}
    run, date = f"{int(sys.argv[1]):04x}{number:04x}", f"2026-11-01T00:00:{number:02}"
    history.keep_run(RunRecord(run, "docker-28.5", date, {}, tests))
    history.load_runs()
"""


def test_several_runs_at_once():
    """Runs that end at the same time lose nothing of each other, and none of them fails."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for number in range(3)
    ]
    said = [writer.communicate(timeout=60)[0] for writer in writers]
    last = [f"{number:04x}0031" for number in range(3)]

    assert said == [b""] * 3
    assert [writer.returncode for writer in writers] == [0] * 3
    assert len(history.load_runs()) == 40
    assert {each.run for each in history.load_runs()} >= set(last)


def failing(number, **changed):
    """Return a run in which a test failed."""
    return ran(number, tests={**TESTS, CONSOLE: dataclasses.replace(TESTS[CONSOLE], outcome="failed")}, **changed)


def test_a_flake_passes_and_fails_with_nothing_changed():
    """A test that passed and failed on one digest is a flake, with the runs in which it failed."""
    same = {"digests": {"hello": "d"}}
    runs = [ran(0, **same), failing(1, **same), ran(2, **same)]

    assert history.find_flakes(runs) == [Flake(CONSOLE, "docker-28.5", ("2026-11-01T01:00:00+00:00 00000001",), 2)]


@pytest.mark.parametrize(
    "other",
    [
        {"digests": {"hello": "changed"}},
        {"digests": {}},
        {"digests": {"hello": "d"}, "engine": "podman-5.4"},
        {"digests": {"hello": "d"}, "recording": True},
    ],
)
def test_what_failed_in_other_circumstances_is_no_flake(other):
    """A change, another engine, or a run that recorded explains why one run failed and the other did not."""
    assert history.find_flakes([failing(0, digests={"hello": "d"}), ran(1, **other)]) == []
    assert history.find_flakes([ran(0, digests={"hello": "d"}), failing(1, **other)]) == []


def test_the_report():
    """It names flakes, each retried step by its place, and the slowest tests with their spread."""
    slow = {"test_hello.py::test_a": dataclasses.replace(TESTS["test_hello.py::test_a"], seconds=20.0)}
    runs = [
        ran(0, digests={"hello": "d"}),
        failing(1, digests={"hello": "d"}),
        ran(2, digests={"hello": "d"}, tests=slow),
    ]
    said = "\n".join(history.report_lines(runs))

    assert f"{CONSOLE} (docker-28.5): failed in 1 of 2: 2026-11-01T01:00:00+00:00 00000001" in said
    assert f"{CONSOLE}:9 (docker-28.5): in 2 of 2, up to 3 tries" in said
    assert f"{CONSOLE}:2 " not in said
    assert "    1.5 (1.5 to 20.0, 3 runs) test_hello.py::test_a (docker-28.5)" in said
    assert said.index("4.0 (4.0 to 4.0, 1 runs)") < said.index("1.5 (1.5 to 20.0")


def test_the_report_of_nothing(capsys):
    """Without runs it says so; where nothing is wrong it says that too."""
    assert history.main() == 0
    assert capsys.readouterr().out.startswith("no run is in the ledger")
    quiet = ran(0, tests={"a": ResultRecord("hello", "passed", 1.0)})
    assert [line for line in history.report_lines([quiet]) if line.startswith(" ")][:2] == ["  none", "  none"]


def test_the_slowest_are_few():
    """Only so many are shown as were asked for."""
    tests = {f"t{number}": ResultRecord("hello", "passed", float(number)) for number in range(30)}
    found = history.slowest_tests([ran(0, tests=tests)])

    assert [test for test, _, _ in found] == [f"t{number}" for number in range(29, 9, -1)]
