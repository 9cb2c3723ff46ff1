"""The machine: locks, the cache folder, waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drydock import ROOT, host
from drydock.engine.client import run_docker
from drydock.errors import DrydockError
from drydock.model.transcript import parse_transcript
from drydock.replay import shell

#: Takes a lock, says so, and holds it until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from drydock import host

with host.file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_has_one_holder(tmp_path):
    """Without waiting, a second holder gets false at once; after the first one, true."""
    path = tmp_path / "deep" / "a.lock"
    with host.file_lock(path) as first, host.file_lock(path, wait=False) as second:
        assert (first, second) == (True, False)
    with host.file_lock(path, wait=False) as third:
        assert third


def test_a_lock_file_keeps_its_content(tmp_path):
    """A lock file's content survives its holder and a refused holder: it says that a run used an example's names."""
    path = tmp_path / "a.names"
    with host.file_lock(path), host.file_lock(path, wait=False):
        path.write_text("in use")
    with host.file_lock(path):
        assert path.read_text() == "in use"


def test_a_killed_holder_releases_its_lock(tmp_path):
    """The kernel releases the lock of a process that was killed."""
    path = tmp_path / "a.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == "held\n"
        with host.file_lock(path, wait=False) as held:
            assert not held
        holder.send_signal(signal.SIGKILL)
    with host.file_lock(path, wait=False) as held:
        assert held


def test_a_fault_under_a_lock_is_raised(tmp_path):
    """An error of the code that holds the lock passes through, and the lock is free again."""
    path = tmp_path / "a.lock"
    with pytest.raises(host.filelock.Timeout), host.file_lock(path):
        raise host.filelock.Timeout("another")
    with host.file_lock(path, wait=False) as held:
        assert held


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME is Linux's")
def test_the_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    """XDG_CACHE_HOME moves the cache folder; without it, it is under ~/.cache. Neither is created."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert host.cache_folder() == tmp_path / "cache" / "drydock"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert host.cache_folder() == tmp_path / ".cache" / "drydock"
    assert list(Path(tmp_path).iterdir()) == []


def test_waiting_returns_the_last_answer():
    """The first true answer ends the wait; after the timeout, the last false one is returned."""
    answers = iter(["", "", "yes", "never asked"])
    assert host.wait_until(lambda: next(answers), 20) == "yes"
    assert host.wait_until(list, 0) == []


def test_a_slow_machine_has_longer_limits(monkeypatch):
    """DRYDOCK_SLOWDOWN multiplies time limits: of what is waited for, of commands, and of a retried step."""
    monkeypatch.setenv(host.SLOWDOWN, "2.5")
    assert host.scale_limit(10) == 25
    monkeypatch.setenv(host.SLOWDOWN, "1000")
    began = time.monotonic()
    assert host.wait_until(lambda: time.monotonic() > began + 0.1, 0.001)
    assert run_docker(["sleep", "0.1"], {}, check=True, text=None, timeout=0.001).returncode == 0
    with shell.Bash(ROOT, os.environ) as bash:
        [step] = parse_transcript("#% retry 0.001s\n$ n=$((n+1)); echo $n\n3\n", "t.console").steps
        assert shell.run_step(bash, step).tries == 3


@pytest.mark.parametrize("factor", ["fast", "-1", "0", "0.5", "1001", "nan", "1e3"])
def test_a_wrong_factor_is_an_error(factor, monkeypatch):
    """A factor that is no number from 1 to 1000 is a message with the variable's name."""
    monkeypatch.setenv(host.SLOWDOWN, factor)
    with pytest.raises(DrydockError, match=f"DRYDOCK_SLOWDOWN={factor}: the factor .* is a number from 1 to 1000"):
        host.scale_limit(1)
