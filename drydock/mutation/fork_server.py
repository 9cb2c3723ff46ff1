"""A fork server for pytest: each run is a fork of one process that has imported pytest and collected the tests before.

The runner starts pytest thousands of times, and most of these runs take less time than pytest needs to start. The
server reads JSON lists from stdin, one a line: a file for the output, and pytest's arguments. It answers each on stdout
with two lines: the id of the process that runs pytest, and its exit status.
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


def serve_runs(*test_files: str) -> None:
    """Answer requests until stdin ends.

    :param test_files: collected first, so that their imports, the plugins, and facts about the engine are in memory.
    """
    with Path(os.devnull).open("w") as devnull, contextlib.redirect_stdout(devnull):
        for options in ([], ["--on-engine", "--no-history"]):
            pytest.main(["--collect-only", "-p", "no:cacheprovider", *options, *test_files])
    gc.freeze()
    for request in sys.stdin:
        output, *arguments = json.loads(request)
        child = os.fork()
        if child == 0:
            # Skip the parent's exit handlers and buffers: it runs and flushes them itself.
            os._exit(_run_pytest(output, arguments))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run_pytest(output: str, arguments: list[str]) -> int:
    # A job in a shell's background ignores SIGINT, which the runner sends to have the tests clean up and end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    serve_runs(*sys.argv[1:])
