"""Runs of the harness in a process of their own, to be ended or cut off in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from drydock import ROOT
from drydock.engine import resources
from drydock.engine.client import Engine, connect_engine
from drydock.engine.private import specs
from drydock.engine.resources import Resource
from drydock.replay.replay import Job

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
from drydock.engine.choose import get_engine
from drydock.errors import DrydockError
from drydock.model.example import Example
from drydock.replay import replay
root, scratch, locks = map(Path, sys.argv[1:])
try:
    replay.run_job(replay.Job(get_engine(), Example(root), "t", scratch, locks))
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
    options = ["--on-engine", "--no-history", "-p", "no:cacheprovider"]
    return _start("-c", script, *options, *arguments, cwd=top, env=env)


def apart() -> dict[str, str]:
    """Return the environment of a run of its own: no part of this one, and with its own options of pytest alone."""
    return {name: value for name, value in os.environ.items() if name not in ("DRYDOCK_RUN", "PYTEST_ADDOPTS")}


def _start(*arguments: str, cwd: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**apart(), **env},
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


def made(engine: Engine, slug: str) -> list[Resource]:
    """Return what the engine has of the example `slug`."""
    return [thing for thing in resources.list_resources(engine) if thing.name.startswith(slug)]


def made_by(engine: Engine, run: str) -> list[Resource]:
    """Return what the engine has of the run of the tests `run`."""
    return [thing for thing in resources.list_resources(engine) if thing.run == run]


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


# Its own network, processes and mounts: the first engine's bridges and firewall stay as they are, what it starts ends
# with it, and its data is on a disk of its own, which goes with the mounts. $0 is the engine's folder of programs.
_SECOND = """
mount -t tmpfs -o size="$SIZE" tmpfs "$DATA" && mount --bind "$0/usr" /usr &&
mount --bind "$0/etc/alternatives" /etc/alternatives && ip link set lo up && exec "$@"
"""


class Second:
    """A second private engine, beside the first: of the same programs, and with nothing on it.

    :ivar env: what points a run at it.
    :ivar engine: it.
    """

    def __init__(self, home: Path, first: Engine, megabytes: int, mirror: str) -> None:
        """Start it.

        :param megabytes: of the disk with its data.
        :param mirror: ``host:port``, in its own network, of the registry that stands in for Docker Hub.
        """
        root = Path(first.client["DOCKER_HOST"].removeprefix("unix://")).parent
        state = json.loads((root / "state.json").read_text())
        kind = specs.find_spec(state["kind"], state.get("programs", ""))
        self._data = home / f"data-{kind.name}"
        self._data.mkdir()
        apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        apart += ["--propagation", "slave", "sh", "-c", _SECOND, str(root / kind.folder)]
        with (home / "daemon.log").open("wb") as log:
            self._apart = subprocess.Popen(
                [*apart, *specs.daemon_command(kind, home, mirror)],
                env={**os.environ, "PATH": kind.path, "SIZE": f"{megabytes}m", "DATA": str(self._data)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.env = {"DOCKER_HOST": f"unix://{home}/docker.sock"}
        try:
            until((home / "docker.sock").exists, self._apart)
            self.engine = connect_engine({**first.client, **self.env})
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End it, and with it all that it started."""
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            os.kill(self.pid, signal.SIGTERM)  # so that it takes away what it has in the control groups
            self._apart.wait(20)
        self._apart.kill()
        self._apart.wait()

    @property
    def pid(self) -> int:
        """The process of its daemon."""
        return int(Path(f"/proc/{self._apart.pid}/task/{self._apart.pid}/children").read_text())

    @property
    def data(self) -> Path:
        """The folder of its data: the disk that nobody else sees."""
        return Path(f"/proc/{self.pid}/root{self._data}")

    def give(self, image: str, first: Engine) -> None:
        """Give it an image that the first engine has, or can get."""
        first.run("pull", "--quiet", image)
        with tempfile.TemporaryDirectory() as folder:
            first.run("save", "--output", f"{folder}/image.tar", image)
            self.engine.run("load", "--input", f"{folder}/image.tar")


@contextlib.contextmanager
def second(first: Engine, megabytes: int = 256, mirror: str = "") -> Iterator[Second]:
    """Start a second private engine, and end it; see :class:`Second`."""
    home = Path(tempfile.mkdtemp(prefix="drydock-"))  # a socket's path is short
    try:
        engine = Second(home, first, megabytes, mirror)
        try:
            yield engine
        finally:
            engine.end()
    finally:
        shutil.rmtree(home, ignore_errors=True)
