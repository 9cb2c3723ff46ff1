"""The machine that Drydock runs on: cache folder, file locks, signals, waiting, status lines."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO


def print_status(message: str) -> None:
    """Print a line about the engine, at once."""
    print(f"drydock: {message}", flush=True)


def cache_folder() -> Path:
    """Return the folder under the user's cache directory where Drydock keeps its files."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drydock"


@contextlib.contextmanager
def file_lock(place: Path, *, wait: bool = True) -> Iterator[IO[str] | None]:
    """Hold the lock file `place`, and yield it; None when another process holds it and `wait` is false.

    The kernel lets go of it when its holder ends, however that happens.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
            return
        lock.seek(0)
        yield lock


def new_run_id() -> str:
    """Return the name of a new run: eight hexadecimal digits."""
    return secrets.token_hex(4)


def wait_until(condition: Callable[[], bool], patience: float) -> bool:
    """Poll `condition` until it holds, for at most `patience` seconds, and return whether it does."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def exit_on_signals() -> None:
    """Have SIGTERM do what Ctrl-C does: what was started is ended, and the tests remove what they made.

    A job in a shell's background ignores Ctrl-C, and so would the tests, which are told to end by it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
