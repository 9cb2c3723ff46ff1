"""The history of runs: saved, bounded, and read in spite of damage; comparing runs, and repeating them. No engine."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drydock import ROOT
from drydock.testing import history
from drydock.testing.history import RunRecord
from drydock.testing.results import Result, StepResult

CONSOLE = "examples/hello/transcripts/run.console"
CLAIM = Result("test_hello.py::test_a", "hello", seconds=1.5, kind="claim", name="test_a")
STEPS = (StepResult(2, 0.5, 1, True), StepResult(9, 0.25, 3, True))
TRANSCRIPT = Result("t.py::t[hello/run]", "hello", seconds=4.0, kind="transcript", name="run", steps=STEPS)


def ran(number, **changed):
    """Return a run; the later, the higher its number."""
    date = f"2026-11-{1 + number // 24:02}T{number % 24:02}:00:00+00:00"
    return RunRecord(
        **{"run": f"{number:08x}", "engine": "docker-28.5", "date": date, "results": (CLAIM, TRANSCRIPT), **changed}
    )


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_runs_are_read_as_they_were_kept():
    """What was kept is read again, with its steps, the oldest run first; where nothing was kept there is nothing."""
    assert history.load_runs() == []
    runs = [ran(number, digests={"hello": "d"}, left=("container hello",), recording=bool(number)) for number in (0, 1)]
    for each in reversed(runs):
        history.save_run(each)

    assert history.load_runs() == runs


def test_only_the_last_runs_are_kept(monkeypatch):
    """The history does not grow without end: the oldest run goes, and so does what was damaged and is as old."""
    monkeypatch.setattr(history, "MAX_RUNS", 3)
    history.save_run(ran(0))
    [place] = history.history_folder().iterdir()
    place.write_bytes(b"damaged")
    assert history.load_runs() == []
    for number in range(1, 6):
        history.save_run(ran(number))

    assert [each.run for each in history.load_runs()] == ["00000003", "00000004", "00000005"]
    assert len(list(history.history_folder().iterdir())) == 3
    history.save_run(ran(2))  # by a clock that was put back
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
            (
                "{",
                "[]",
                "{}",
                '{"run": "1", "engine": "e", "date": "d", "results": [{}]}',
                '{"results": 1}',
                "[" * 100_000,
            ),
        ),
    ],
    ids=range(9),
)
def test_a_damaged_file_is_moved_aside_and_told_of(data, capsys):
    """A file that cannot be read costs its run and no other; it is told of once, and stays to be looked at."""
    for number in (0, 1):
        history.save_run(ran(number))
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
from drydock.testing.history import RunRecord
from drydock.testing.results import Result
history.MAX_RUNS = 40
for number in range(50):
    results = (Result("t", "u"),)
    run, date = f"{int(sys.argv[1]):04x}{number:04x}", f"2026-11-01T00:00:{number:02}"
    history.save_run(RunRecord(run, "docker-28.5", date, {}, results))
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
    return ran(number, results=(CLAIM, dataclasses.replace(TRANSCRIPT, outcome="failed")), **changed)


def test_a_flake_passes_and_fails_with_nothing_changed():
    """A test that passed and failed on one digest is a flake, with the runs in which it failed."""
    same = {"digests": {"hello": "d"}}
    runs = [ran(0, **same), failing(1, **same), ran(2, **same)]

    assert list(history.describe_flakes(runs)) == [
        f"{CONSOLE} on docker-28.5: failed in 1 of 3 (2026-11-01T01:00:00+00:00 00000001)"
    ]


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
    assert list(history.describe_flakes([failing(0, digests={"hello": "d"}), ran(1, **other)])) == []
    assert list(history.describe_flakes([ran(0, digests={"hello": "d"}), failing(1, **other)])) == []


def test_the_report():
    """It names flakes, each retried step by its place, and the slowest tests with their spread."""
    slow = (dataclasses.replace(CLAIM, seconds=20.0),)
    runs = [
        ran(0, digests={"hello": "d"}),
        failing(1, digests={"hello": "d"}),
        ran(2, digests={"hello": "d"}, results=slow),
    ]
    said = "\n".join(history.report_lines(runs))

    assert f"{CONSOLE} on docker-28.5: failed in 1 of 2 (2026-11-01T01:00:00+00:00 00000001)" in said
    assert f"{CONSOLE}:9 on docker-28.5: in 2 of 2 runs, up to 3 tries" in said
    assert f"{CONSOLE}:2 " not in said
    assert "    1.5 (1.5 to 20.0, 3 runs) test_hello.py::test_a on docker-28.5" in said
    assert said.index("4.0 (4.0 to 4.0, 1 runs)") < said.index("1.5 (1.5 to 20.0")


def test_the_report_of_nothing(capsys):
    """Without runs it says so; where nothing is wrong it says that too."""
    assert history.main([]) == history.main(["flakes"]) == 0
    assert capsys.readouterr().out.startswith("no runs in ")
    quiet = ran(0, results=(CLAIM,))
    assert [line for line in history.report_lines([quiet]) if line.startswith(" ")][:2] == ["  none", "  none"]


def test_the_slowest_are_few():
    """Only so many are shown as were asked for."""
    results = tuple(Result(f"t{number}", "hello", seconds=float(number)) for number in range(30))
    found = history.slowest_tests([ran(0, results=results)])

    assert [test for test, _, _ in found] == [f"t{number}" for number in range(29, 9, -1)]


def test_an_unknown_word_is_refused(capsys):
    """A misspelled action fails, and the message has the nearest one."""
    assert history.main(["repaet", "3"]) == 1
    assert "no action 'repaet' of the history; did you mean repeat?" in capsys.readouterr().out


# Repeating runs


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _soon(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def test_the_load_ends_with_its_context():
    """As many processes compute as were asked for, and none is left, also after an error."""
    pids = []

    def computing():
        with history.keep_busy(2) as started:
            pids.extend(started)
            _soon(lambda: all(Path(f"/proc/{pid}/stat").read_text().split()[13] > "0" for pid in pids))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        computing()
    assert len(pids) == 2
    assert [pid for pid in pids if _lives(pid)] == []


#: Repeats a run that takes a minute, and cleans up when it gets Ctrl-C once.
LONG = """
import os, sys
from drydock.host import exit_on_signals
from drydock.testing import history
tests = '''
import sys, time
try:
    open(sys.argv[1] + "/began", "w").close()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    open(sys.argv[1] + "/cleaned", "w").close()
'''
history.pytest_command = lambda *arguments: [sys.executable, "-c", tests, sys.argv[1]]
os.cpu_count = lambda: 2
exit_on_signals()
sys.exit(history.main(["repeat", "2", "--load"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_repetition_that_is_ended_leaves_nothing(tmp_path, number):
    """After SIGINT or SIGTERM the tests clean up and the load ends; after SIGKILL the load ends by itself.

    So it does in a shell's background, where a program starts with SIGINT ignored.
    """
    running = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", LONG, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    _soon((tmp_path / "began").exists)
    children = _children(running.pid)
    assert len(children) == 3
    try:
        running.send_signal(number)
        running.wait(timeout=30)
        running.stdout.close()
        if number == signal.SIGKILL:
            [tests] = [pid for pid, command in children.items() if "began" in command]
            os.kill(tests, signal.SIGKILL)  # it goes on to its end, and removes what it made
        _soon(lambda: not any(map(_lives, children)))
    finally:
        for pid in filter(_lives, children):
            os.kill(pid, signal.SIGKILL)

    assert running.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    assert (tmp_path / "cleaned").exists() == (number != signal.SIGKILL)


def _children(pid):
    """Return the command lines of the child processes by their IDs."""
    commands = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if path.read_text().rpartition(")")[2].split()[1] == str(pid):
                commands[int(path.parent.name)] = (path.parent / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return commands


#: A run that ends as its arguments say, and saves to the history what a run would.
QUICK = """
import json, os, sys
from drydock.testing import history
from drydock.testing.history import RunRecord
from drydock.testing.results import Result, StepResult
outcome, status, saved, tries = json.loads(sys.argv[1])
run = os.environ["DRYDOCK_RUN"]
results = (Result("t", "u", outcome, steps=(StepResult(2, 0.5, tries, True),)),) if outcome != "gone" else ()
if saved:
    history.save_run(RunRecord(run, "docker-28.5", "2026-11-22T10:00:00+00:00", {"u": "d"}, results))
sys.exit(status)
"""


@pytest.fixture(name="repeat")
def _repeat(monkeypatch):
    """Repeat runs that end as given: outcome, exit status, whether the history has it, tries of a step."""
    monkeypatch.setenv("DRYDOCK_RUN", "inherited")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))

    def call(ends, *arguments):
        ends, commands = list(ends), []

        def command(slugs, seed, workers, options):
            commands.append((slugs, seed, options))
            return [sys.executable, "-c", QUICK, json.dumps(ends[len(commands) - 1])]

        monkeypatch.setattr(history, "pytest_command", command)
        return history.main(["repeat", str(len(ends)), *arguments]), commands

    return call


GOOD = ("passed", 0, True, 1)


def test_runs_that_agree_pass(repeat, capsys):
    """Each run has its ID and the next seed; where all agree, the exit status is 0. Other options go to pytest."""
    status, commands = repeat([GOOD] * 3, "--seed=41", "--shuffle-within")
    said = capsys.readouterr().out

    assert status == 0, said
    assert commands == [([], seed, ["--shuffle-within"]) for seed in (41, 42, 43)]
    assert len({run.run for run in history.load_runs()} | {"inherited"}) == 4
    assert "run 3 of 3; for this order again: repeat 1 --seed=43" in said


def test_a_step_that_is_retried_in_each_run_is_no_difference(repeat):
    """A step that waits for something is retried in each run, and the number of tries is chance."""
    assert repeat([("passed", 0, True, 3), ("passed", 0, True, 7)])[0] == 0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (("failed", 0, True, 1), "  t on docker-28.5: failed in 1 of 2 ("),
        (("skipped", 0, True, 1), "  t on docker-28.5: skipped in 1 of 2 ("),
        (("gone", 0, True, 1), "t: not in 1 of 2 runs ("),
        (("passed", 0, True, 2), "t:2 on docker-28.5: not retried in each run\n"),
        (("passed", 1, True, 1), "run 2 ended with exit status 1\n"),
        (("passed", 0, False, 1), "run 2 left nothing in the history\n"),
    ],
)
def test_a_difference_is_the_exit_status(repeat, other, message, capsys):
    """Each difference between two runs fails the repetition, with a line of the report that names it."""
    status, commands = repeat([GOOD, other], "hello-container")

    assert status == 1
    assert f"\n{message}" in capsys.readouterr().out
    assert commands[0][0] == ["hello-container"]


def test_an_interrupted_repetition_reports_the_runs_before(repeat, monkeypatch, capsys):
    """What two hours have shown is not lost in the third."""
    real = history.run_once

    def run(command):
        if len(history.load_runs()) == 2:
            raise KeyboardInterrupt
        return real(command)

    monkeypatch.setattr(history, "run_once", run)
    status, _ = repeat([GOOD, ("failed", 1, True, 1), GOOD])

    assert status == 130
    assert "\n  t on docker-28.5: failed in 1 of 2 (" in capsys.readouterr().out


def test_an_unknown_example_is_refused(repeat, capsys):
    """A wrong name is refused before anything runs."""
    assert repeat([GOOD], "hello-contaner") == (1, [])
    assert "did you mean hello-container?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0"], "the number of runs is 0, less than 1"),
        (["-1"], "the number of runs is -1, less than 1"),
        (["x"], "argument N: invalid int value: 'x'"),
        ([], "the following arguments are required: N"),
    ],
)
def test_a_number_of_runs_is_needed(arguments, message, capsys):
    """There is at least one run, and the message says what is wanted."""
    with pytest.raises(SystemExit):
        history.main(["repeat", *arguments])
    assert message in capsys.readouterr().err


def test_the_command_of_a_run():
    """One example is run in one process; several keep to their workers, and xdist leaves their order alone."""
    one, all_of_them = (
        history.pytest_command(["hello"], 7, 3),
        history.pytest_command([], 7, 3, ["--engine=podman-5.4"]),
    )

    assert {"--on-engine", "--random-order", "--random-order-seed=7", "--example=hello"} <= set(one)
    assert one[one.index("-n") + 1] == "0"
    assert all_of_them[all_of_them.index("-n") + 1] == "3"
    assert {"--no-loadscope-reorder", "loadgroup", "--engine=podman-5.4"} <= set(all_of_them)


def test_a_run_that_crashes_is_in_no_history():
    """A run that ended before it saved anything has no record."""
    assert history.run_once([sys.executable, "-c", "raise SystemExit(3)"]) == (3, None)
    assert history.load_runs() == []
