"""Runs of the harness in a process of their own, to be ended or cut off in the middle."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from drydock import ROOT, inventory
from drydock.engine import Engine
from drydock.inventory import Thing
from drydock.record import Job

IMAGE = "busybox:1.37"
#: A transcript's first step: a container that goes on for a minute. SLUG is the slug of the test's own example.
START = f"$ docker run -d --name SLUG-web {IMAGE} sh -c 'echo log line; sleep 60'\n<id>\n"
#: Its last.
CLEAN = "$ docker rm -f SLUG-web\nSLUG-web\n"
#: A claim whose container lives for seconds, and whose test asks for it all the time.
LONG = ("--example=restart-and-exit-codes", "-k", "start_counts_anew")

#: A shell's background job ignores Ctrl-C, and so does all that it starts; what these tests start shall hear it.
_HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
_REPLAY = f"""
{_HEARS}
import sys
from pathlib import Path
from drydock import engine, record
from drydock.errors import DrydockError
from drydock.example import Example
root, scratch, locks = map(Path, sys.argv[1:])
try:
    record.run(record.Job(engine.current(), Example(root), "t", scratch, locks))
except DrydockError as error:
    sys.exit(str(error))
"""


def replay(job: Job, **env: str) -> subprocess.Popen[str]:
    """Start a replay of the job's transcript; it ends with 0, or says on its output what failed."""
    arguments = [str(job.example.root), str(job.scratch), str(job.locks)]
    return _start("-c", _REPLAY, *arguments, cwd=ROOT, env={"PYTHONPATH": str(ROOT), **env})


def pytest(*arguments: str, top: Path = ROOT, **env: str) -> subprocess.Popen[str]:
    """Start tests on the engine, in the repository at `top`. What is done to them here is no flake of theirs."""
    script = f"{_HEARS}; import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    options = ["--on-engine", "--no-ledger", "-p", "no:cacheprovider"]
    return _start("-c", script, *options, *arguments, cwd=top, env=env)


def _start(*arguments: str, cwd: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    known = {name: value for name, value in os.environ.items() if name != "DRYDOCK_RUN"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**known, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(condition: Callable[[], object], running: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until `condition` holds; it is a failure that it does not in time, or that the run ends before."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the run did not come so far"
        assert running.poll() is None, f"the run ended early: {running.communicate()[0]}"
        time.sleep(0.02)


def made(engine: Engine, slug: str) -> list[Thing]:
    """Return what the engine has of the example `slug`."""
    return [thing for thing in inventory.things(engine) if thing.name.startswith(slug)]


def made_by(engine: Engine, run: str) -> list[Thing]:
    """Return what the engine has of the run of the tests `run`."""
    return [thing for thing in inventory.things(engine) if thing.run == run]


class Door:
    """A socket before the engine's: whoever comes through it meets the engine, until it is shut for all."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.env = {"DOCKER_HOST": f"unix://{path}"}
        self._behind = engine.client["DOCKER_HOST"].removeprefix("unix://")
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._let_in, daemon=True).start()

    def _let_in(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                outer, _ = self._listener.accept()
                inner = socket.socket(socket.AF_UNIX)
                inner.connect(self._behind)
                self._open += [outer, inner]
                for source, target in ((outer, inner), (inner, outer)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def shut(self) -> None:
        """Shut it, and cut off all who came through."""
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
