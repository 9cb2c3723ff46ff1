"""The machine that Drydock runs on: cache folder, file locks, signals, waiting, status lines.

Besides the standard library it needs filelock and platformdirs. Nox brings both, as dependencies of virtualenv, so
the noxfile can import this module.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import filelock
import platformdirs

from drydock.errors import DrydockError

Answer = TypeVar("Answer")
#: Seconds between two calls in :func:`wait_until`.
POLL_INTERVAL = 0.05
#: The environment variable with the factor for all time limits, for a slow machine.
SLOWDOWN = "DRYDOCK_SLOWDOWN"


def print_status(message: str) -> None:
    """Print a line of Drydock's own, unbuffered."""
    print(f"drydock: {message}", flush=True)


def cache_folder() -> Path:
    """Return Drydock's folder in the user's cache directory; it may not exist yet. On Linux, XDG_CACHE_HOME counts."""
    return platformdirs.user_cache_path("drydock", appauthor=False)


@contextlib.contextmanager
def file_lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path`, and yield whether it is held: false if another process has it and `wait` is false.

    The kernel releases the lock when the process ends, even after SIGKILL. The file and its content stay.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(filelock.FileLock(path, blocking=wait))
        except filelock.Timeout:
            held = False
        else:
            held = True
        yield held


def new_run_id() -> str:
    """Return a random name for a run: eight hexadecimal digits."""
    return secrets.token_hex(4)


def scale_limit(seconds: float) -> float:
    """Return a time limit multiplied by the factor of :data:`SLOWDOWN`.

    :raises DrydockError: the factor isn't a number from 1 to 1000.
    """
    text = os.environ.get(SLOWDOWN) or "1"
    factor = float(text) if re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) else 0
    if not 1 <= factor <= 1000:
        raise DrydockError(f"{SLOWDOWN}={text}: the factor for time limits is a number from 1 to 1000, such as 2.5")
    return seconds * factor


def wait_until(ask: Callable[[], Answer], timeout: float) -> Answer:
    """Call `ask` until its answer is true, for at most `timeout` seconds (scaled), and return the last answer."""
    deadline = time.monotonic() + scale_limit(timeout)
    while not (answer := ask()) and time.monotonic() <= deadline:
        time.sleep(POLL_INTERVAL)
    return answer


def exit_on_signals() -> None:
    """Exit on SIGTERM and SIGINT with the usual cleanup: end child processes, remove what tests made.

    A background job of a shell ignores SIGINT, and its children inherit that: the default handler is set again.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
