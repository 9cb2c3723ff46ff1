"""The shell that runs a transcript's steps."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from drydock.model.transcript import parse_transcript
from drydock.replay.shell import run_steps, shell_environment


@pytest.fixture(name="run")
def _run(tmp_path):
    def run(text, **more):
        env = shell_environment({"PATH": os.environ["PATH"], **more}, tmp_path)
        return list(run_steps(parse_transcript(text, "t.console"), tmp_path, env))

    return run


def test_what_a_step_sets_carries_over(run):
    """Folder, variables, functions and the last exit status are there in the next step, as in a terminal."""
    first, *rest = run(
        "$ x=3; f() { echo f; }; mkdir d; cd d; false\n[exit 1]\n$ echo $?; echo $x; f; pwd\n1\n3\nf\n[..]/d\n"
    )

    assert first.passed
    assert rest[0].passed, rest[0].observed


def test_commands_may_span_lines_and_hold_a_heredoc(run):
    """A command that goes on over lines reaches the shell as one."""
    [outcome] = run("$ cat <<EOF\n> one\n> two\n> EOF\none\ntwo\n")

    assert outcome.passed


def test_the_environment_is_fixed(run, tmp_path, monkeypatch):
    """Locale, time zone and width are the same everywhere, and the caller's own settings stay out."""
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "mine")
    [outcome] = run("$ echo $LC_ALL $TZ $NO_COLOR $COLUMNS $HOME $COMPOSE_PROJECT_NAME\n")

    assert outcome.observed.output == (f"C.UTF-8 UTC 1 100 {tmp_path}",)


def test_output_and_errors_keep_their_order(run):
    """What is printed on stdout and stderr comes in the order in which it was printed."""
    [outcome] = run("$ echo a; echo b >&2; echo c\n")

    assert outcome.observed.output == ("a", "b", "c")


def test_what_is_for_a_terminal_only_is_left_out(run):
    """Control sequences of a terminal are no part of a step's output."""
    [outcome] = run("$ printf '\\033[2Kone \\033[1;31mtwo\\033[0m\\n'\none two\n")

    assert outcome.passed


def test_a_step_reads_nothing(run):
    """A command that reads stdin gets its end at once, and the next step still runs."""
    cat, echo = run("$ cat\n$ echo next\nnext\n")

    assert cat.passed
    assert echo.passed


def test_a_step_that_never_returns_is_ended(run):
    """A step past its limit is ended with all it started, and nothing after it runs."""
    began = time.monotonic()
    outcomes = run("#% limit 1s\n$ echo begun; sleep 60 & sleep 60\n$ echo never\n")

    assert time.monotonic() - began < 11
    assert len(outcomes) == 1
    assert outcomes[0].problem == "it did not end within 1 s and was ended"
    assert outcomes[0].observed.output == ("begun",)


def test_a_step_that_prints_without_end_is_ended(run):
    """A step that fills the disk is ended, and says why."""
    [outcome] = run("$ yes\n")

    assert "printed more than 4 MB" in outcome.problem


def test_a_step_that_ends_the_shell_is_a_fault(run):
    """`exit` would end the reader's terminal too."""
    [outcome] = run("$ exit 3\n")

    assert "ended the shell" in outcome.problem


def test_a_step_is_retried_until_it_matches(run):
    """A step with a retry runs again until it prints what it should."""
    [outcome] = run("#% retry 5s\n$ n=$((n+1)); echo $n\n3\n")

    assert outcome.passed
    assert outcome.tries == 3


RACE = f"snapshot sha256:{'0123abcd' * 8} does not exist: not found"


@pytest.mark.parametrize(
    ("message", "passes_at", "passed", "tries"),
    [(RACE, 2, True, 2), (RACE, 3, True, 3), (RACE, 4, False, 3), ("not found", 2, False, 1)],
)
def test_a_race_of_the_image_store_is_run_again(run, message, passes_at, passed, tries):
    """A step that fails with this error of the engine runs again, three times at most; no other error does that."""
    [outcome] = run(
        f'$ n=$((n+1)); [ $n = {passes_at} ] && echo built || {{ echo "ERROR: {message}"; false; }}\nbuilt\n'
    )

    assert (outcome.passed, outcome.tries) == (passed, tries)


def test_a_retried_step_that_never_matches_fails(run):
    """A retry ends, and the last try is what is reported."""
    [outcome] = run("#% retry 0.3s\n$ echo 1\n2\n")

    assert not outcome.passed
    assert outcome.observed.output == ("1",)


def test_a_background_step_goes_on_until_the_end(run, tmp_path):
    """A background step ends when its line came; what it runs is ended with the transcript."""
    script = "sh -c 'echo starting; echo ready; echo $$ > pid; sleep 60'"
    server, probe = run(f"#% until ready\n$ {script}\nstarting\nready\n#% retry 5s\n$ test -s pid\n")

    assert server.passed
    assert probe.passed
    pid = int(Path(tmp_path, "pid").read_text())
    assert not _lives(pid)


def test_a_background_step_whose_line_never_comes_fails(run):
    """A background step past its limit is reported with what it printed."""
    [outcome] = run("#% limit 1s\n#% until ready\n$ echo starting; sleep 60\n")

    assert "did not end within 1 s" in outcome.problem
    assert outcome.observed.output == ("starting",)


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
