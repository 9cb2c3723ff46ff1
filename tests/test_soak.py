"""Soak: runs of the tests again and again, in what they differ, and what keeps the machine busy. No engine."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_site import site

from drydock import ROOT
from drydock.errors import MalformedError
from drydock.model import soak
from drydock.model.soak import Soak
from drydock.testing import endure, history
from drydock.testing.history import ResultRecord, RunRecord, StepRecord

__all__ = ["site"]

CLAIM, CONSOLE = "tests/examples/test_hello.py::test_a", "examples/hello/transcripts/run.console"
RAN = RunRecord(
    "00000001",
    "docker-28.5",
    "2026-11-22T10:00:00+00:00",
    tests={
        CLAIM: ResultRecord("hello", "passed", 2.0),
        "tests/examples/test_hello.py::test_b": ResultRecord("hello", "passed", 9.0),
        CONSOLE: ResultRecord("hello", "passed", 4.0, (StepRecord(2, 0.5, 1, True), StepRecord(9, 0.25, 3, True))),
    },
)
SOAK = Soak(5, 1140, 0, 34, 0, 1, 2, 17, "docker-28.5", "2026-11-22")


def changed(test, **fields):
    """Return the run with one of its tests changed."""
    return dataclasses.replace(RAN, tests={**RAN.tests, test: dataclasses.replace(RAN.tests[test], **fields)})


def test_runs_that_agree_do_not_differ():
    """Seconds that differ by chance, a step that is tried again in each run, and the order are no difference."""
    other = changed(CONSOLE, seconds=11.0, steps=(StepRecord(2, 0.9, 1, True), StepRecord(9, 0.2, 7, True)))
    # Whichever of the claims is first builds what both need.
    swapped = {
        CLAIM: ResultRecord("hello", "passed", 9.0),
        "tests/examples/test_hello.py::test_b": ResultRecord("hello", "passed", 2.0),
    }

    assert (
        endure.find_differences({1: RAN, 2: other, 3: dataclasses.replace(RAN, tests={**RAN.tests, **swapped})}) == []
    )


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (changed(CLAIM, outcome="failed"), f"{CLAIM}: failed in run 2, passed in run 1, 3"),
        (changed(CLAIM, outcome="skipped"), f"{CLAIM}: passed in run 1, 3, skipped in run 2"),
        (
            dataclasses.replace(RAN, tests={test: each for test, each in RAN.tests.items() if test != CLAIM}),
            f"{CLAIM}: not there in run 2, passed in run 1, 3",
        ),
        (
            changed(CONSOLE, steps=(StepRecord(2, 0.5, 4, True), StepRecord(9, 0.25, 3, True))),
            f"{CONSOLE}:2: 4 tries in run 2, one try in run 1, 3",
        ),
        (dataclasses.replace(RAN, left=("left behind: volume x",)), "run 2: left behind: volume x"),
        (changed(CONSOLE, seconds=15.5), f"{CONSOLE}: 15.5 s in run 2, 4.0 s in run 1, 3"),
        (changed(CLAIM, seconds=40.0), "the other tests of hello: 11.0 s in run 1, 3, 49.0 s in run 2"),
    ],
)
def test_what_differs_is_told(other, told):
    """An outcome, a claim that came or went, a step tried again, something left, what took long: each by its runs."""
    assert endure.find_differences({1: RAN, 2: other, 3: RAN}) == [told]


def test_a_failure_says_nothing_of_seconds():
    """A transcript that failed is no quicker one."""
    failed = changed(CONSOLE, outcome="failed", seconds=0.1, steps=RAN.tests[CONSOLE].steps[:1])

    assert endure.find_differences({1: changed(CONSOLE, seconds=60.0), 2: failed}) == [
        f"{CONSOLE}: failed in run 2, passed in run 1"
    ]


# Running


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
    """Just as many processes compute as were asked for, and none is left, also after an error."""
    pids = []

    def computing():
        with endure.keep_busy(2) as started:
            pids.extend(started)
            _soon(lambda: all(Path(f"/proc/{pid}/stat").read_text().split()[13] > "0" for pid in pids))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        computing()
    assert len(pids) == 2
    assert [pid for pid in pids if _lives(pid)] == []


#: A soak whose run of the tests takes a minute, and cleans up when it hears Ctrl-C once.
LONG = """
import os, sys
from drydock.host import exit_on_signals
from drydock.testing import endure
tests = '''
import sys, time
try:
    open(sys.argv[1] + "/began", "w").close()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    open(sys.argv[1] + "/cleaned", "w").close()
'''
endure.pytest_command = lambda *arguments: [sys.executable, "-c", tests, sys.argv[1]]
os.cpu_count = lambda: 2
exit_on_signals()
sys.exit(endure.main(["2", "--load"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_soak_that_is_ended_leaves_nothing(tmp_path, number):
    """Told to end, it has the tests clean up, and ends its load; killed, the load ends by itself.

    So it does in a shell's background, where a program is begun with Ctrl-C ignored.
    """
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    running = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", LONG, str(tmp_path)],
        cwd=ROOT,
        env=env,
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
            os.kill(tests, signal.SIGKILL)  # it goes on to its end, and takes away what it made
        _soon(lambda: not any(map(_lives, children)))
    finally:
        for pid in filter(_lives, children):
            os.kill(pid, signal.SIGKILL)

    assert running.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    assert (tmp_path / "cleaned").exists() == (number != signal.SIGKILL)


def _children(pid):
    """Return the commands of the processes that this one started, by their ids."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            if place.read_text().rpartition(")")[2].split()[1] == str(pid):
                found[int(place.parent.name)] = (place.parent / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


#: A run of the tests that ends as STATUS says for its number, and keeps in the ledger what a run would.
QUICK = """
import json, os, sys
from drydock.testing import history
from drydock.testing.history import ResultRecord, RunRecord
place = os.environ["XDG_CACHE_HOME"] + "/runs"
before = open(place).read().split() if os.path.exists(place) else []
open(place, "a").write(os.environ["DRYDOCK_RUN"] + "\\n")
outcome, status, kept = json.loads(sys.argv[1])[len(before)]
tests = {"t": ResultRecord("u", outcome, 1.0)}
if kept:
    history.keep_run(RunRecord(os.environ["DRYDOCK_RUN"], "docker-28.5", "2026-11-22T10:00:00+00:00", {}, tests))
sys.exit(status)
"""


@pytest.fixture(name="soaked")
def _soaked(tmp_path, monkeypatch):
    """Soak with runs that end as given: outcome, status, whether the ledger has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("DRYDOCK_RUN", "inherited")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "evidence").mkdir()

    def call(ends, *arguments):
        commands = []

        def command(slugs, seed, workers, *options):
            commands.append((slugs, seed))
            return [sys.executable, "-c", QUICK, json.dumps(ends)]

        monkeypatch.setattr(endure, "pytest_command", command)
        return endure.main([str(len(ends)), *arguments], tmp_path), commands

    return call


GOOD = ("passed", 0, True)


def test_runs_of_all_tests_are_kept_for_the_site(soaked, tmp_path, capsys):
    """Each run is one of its own, with the next seed; where all agree, it passes, and the file has the figures.

    What was there before stays there.
    """
    soak.save_soaks([SOAK], tmp_path)
    status, commands = soaked([GOOD] * 3, "--seed=41")
    names = (tmp_path / "runs").read_text().split()

    assert status == 0, capsys.readouterr().out
    assert [seed for _, seed in commands] == [41, 42, 43]
    assert len({*names, "inherited"}) == 4
    assert soak.load_soaks(tmp_path) == [SOAK, Soak(3, 1, 0, 0, 0, 0, 0, 41, "docker-28.5", "2026-11-22")]
    assert "its order again: nox -s soak -- 1 --seed=43" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (("failed", 1, True), "t: failed in run 2, passed in run 1"),
        (("passed", 1, True), "run 2 ended with exit status 1"),
        (("passed", 0, False), "run 2 left nothing in the ledger"),
    ],
)
def test_a_difference_is_the_exit_status(soaked, other, told, tmp_path, capsys):
    """Whatever differs fails it, by name; runs of some examples write no figures."""
    status, commands = soaked([GOOD, other], "hello-container")

    assert status == 1
    assert f"drydock: {told}\n" in capsys.readouterr().out
    assert commands[0][0] == ["hello-container"]
    assert soak.load_soaks(tmp_path) == []


def test_a_soak_that_is_ended_keeps_the_runs_before(soaked, tmp_path, monkeypatch, capsys):
    """What two hours have shown is not lost in the third; nor what differed until then."""
    real, ends = endure.run_once, [("passed", 0, True), ("failed", 1, True)]

    def run(command, top):
        if not ends:
            raise KeyboardInterrupt
        return real([*command[:-1], json.dumps([ends.pop(0)] * 3)], top)

    monkeypatch.setattr(endure, "run_once", run)
    status, _ = soaked([GOOD] * 3, "--seed=5")

    assert status == 130
    # The second run failed, ended with 1, and differs from the first.
    assert soak.load_soaks(tmp_path) == [Soak(2, 1, 1, 0, 0, 2, 0, 5, "docker-28.5", "2026-11-22")]


def test_an_example_that_there_is_not(soaked, capsys):
    """A wrong name is refused before anything runs."""
    assert soaked([GOOD], "hello-contaner") == (1, [])
    assert "did you mean hello-container?" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["0"], ["-1"], ["x"], [], ["1", "--engine=none"]])
def test_what_makes_no_sense_is_refused(arguments):
    """There is at least one run, of an engine that is known."""
    with pytest.raises(SystemExit):
        endure.main(arguments)


def test_the_command():
    """One example is run in one process; several keep to their workers, and xdist leaves their order alone."""
    one, all_of_them = endure.pytest_command(["hello"], 7, 3), endure.pytest_command([], 7, 3, "--engine=podman-5.4")

    assert {"--on-engine", "--random-order", "--random-order-seed=7", "--example=hello"} <= set(one)
    assert one[one.index("-n") + 1] == "0"
    assert all_of_them[all_of_them.index("-n") + 1] == "3"
    assert {"--no-loadscope-reorder", "loadgroup", "--engine=podman-5.4"} <= set(all_of_them)


# The file and the page


def test_figures_survive_the_file(tmp_path):
    """Figures are read as they were written, and anything else is refused."""
    (tmp_path / "evidence").mkdir()
    assert soak.load_soaks(tmp_path) == []
    soak.save_soaks([SOAK, SOAK], tmp_path)
    good = dataclasses.asdict(SOAK)

    assert soak.load_soaks(tmp_path) == [SOAK, SOAK]
    for wrong in (
        "{",
        "[1]",
        "[{}]",
        json.dumps(good),
        *(json.dumps([good, {**good, **odd}]) for odd in ({"runs": -1}, {"date": "x"}, {"left": 1.5})),
    ):
        (tmp_path / soak.RESULTS).write_text(wrong)
        with pytest.raises(MalformedError, match="nox -s soak"):
            soak.load_soaks(tmp_path)


def test_the_site_shows_the_figures(site):
    """The page says that nothing was run until there are figures, and then says them."""
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n:::{soak}\n:::")
    built = site.build()
    assert built.warnings == []
    assert "have not been run so yet" in built.text("first.html")

    soak.save_soaks([SOAK, dataclasses.replace(SOAK, runs=2, retries=1, differences=0, busy=0)], site.top)
    built = site.build()
    assert built.warnings == []
    table = built.text("first.html").partition("drydock-soaks")[2].partition("</table>")[0]
    cells = [re.findall("<p>(.*?)</p>", row) for row in table.split("<tr>")[1:]]
    engine = '<code class="docutils literal notranslate">docker-28.5</code>'
    assert cells[0][2:6] == ["Runs", "Under load", "Tests run", "Failures"]
    assert cells[1:] == [
        ["2026-11-22", engine, "5", "5", "5,700", "0", "34", "0", "1"],
        ["2026-11-22", engine, "2", "0", "2,280", "0", "1", "0", "0"],
        ["all", "", "7", "5", "7,980", "0", "35", "0", "1"],
    ]


def test_the_ledger_is_what_a_soak_reads(tmp_path, monkeypatch):
    """A run that ended without a word in the ledger is None."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert endure.run_once([sys.executable, "-c", "raise SystemExit(3)"], tmp_path) == (3, None)
    assert history.load_runs() == []
