"""Runs pytest again and again, each time in a fork of one process that has collected the tests before.

``trial`` tries thousands of faults, and most are noticed by a test that takes less time than pytest takes to begin.
Reads from stdin, line by line, JSON lists of a file for the output and pytest's arguments, and answers each on stdout
with two lines: the id of the process that runs them, and its exit status.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
from pathlib import Path

import pytest


def serve(*collected: str) -> None:
    """Run what is asked for until stdin ends.

    :param collected: files of tests. What they import, and the plugins, and the engine's facts, are then there.
    """
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        for options in ([], ["--on-engine", "--no-history"]):
            pytest.main(["--collect-only", "-p", "no:cacheprovider", *options, *collected])
    gc.freeze()
    for line in sys.stdin:
        output, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            # The status goes to the parent alone: nothing that the parent has open is flushed or closed twice.
            os._exit(_run(output, arguments))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(output: str, arguments: list[str]) -> int:
    """Run pytest, with its output in the file."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # asked to end, it takes away what it made
    with Path(output).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    status = 3
    with contextlib.suppress(SystemExit):
        status = int(pytest.main(arguments))
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(*sys.argv[1:])
