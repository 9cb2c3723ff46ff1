"""Runs the steps of a transcript in one bash: working folder, variables, and functions carry over, as for a reader."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from drydock import host
from drydock.engine.client import LAYER_RACE, RACE_TRIES
from drydock.errors import DrydockError
from drydock.model.records import Record
from drydock.model.transcript import Step, Transcript, observed_lines, step_matches

#: Bytes that one step may print: a step that prints endlessly would fill the disk.
PRINT_LIMIT = 4_000_000
#: Seconds between SIGTERM and SIGKILL for the processes that a transcript left running.
GRACE_PERIOD = 3.0
#: ANSI escape sequences. Compose 2.26 writes one before each line of a log, also into a file.
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: Seconds between two tries of a step.
RETRY_INTERVAL = 0.1
#: Variables that a step inherits from the caller: they say how to reach the network.
INHERITED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
#: Variables with the same value in every run, so that commands print the same.
FIXED = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1", "BUILDKIT_PROGRESS": "plain", "COLUMNS": "100"}

# Reads pairs of (file for the output, command) and answers with the exit status. The output goes to a file instead of a
# pipe: nothing has to drain it, and a background step keeps its file. `again` restores $? of the last step.
_LOOP = """
__drydock_status=0
__drydock_again() {{ return "$__drydock_status"; }}
while IFS= read -r -d '' -u {asked} __drydock_output && IFS= read -r -d '' -u {asked} __drydock_command; do
  __drydock_again
  eval "$__drydock_command" >>"$__drydock_output" 2>&1 </dev/null {asked}<&- {answered}>&-
  __drydock_status=$?
  printf '%s\\n' "$__drydock_status" >&{answered}
done
"""

# Runs the loop, with a watchdog in the background. It reads a pipe that closes when the process that runs the steps
# dies, even from SIGKILL, and then kills the whole process group.
_GUARDED = """
(read -r -u {life}; kill -KILL 0) {asked}<&- {answered}>&- &
exec bash --noprofile --norc -c "$1" {life}<&-
"""


Answer = TypeVar("Answer")


class StepError(DrydockError):
    """A step without an exit status: it timed out, printed too much, or ended the shell."""


@dataclass(frozen=True)
class Outcome:
    """The result of one step.

    :ivar expected: the step of the transcript.
    :ivar observed: the same step with the output and exit status of the last try.
    :ivar seconds: wall time of the last try.
    :ivar tries: how often the command ran.
    :ivar problem: why there is no exit status, or "".
    :ivar record: what evidence keeps of the output, if the job records it.
    """

    expected: Step
    observed: Step
    seconds: float
    tries: int = 1
    problem: str = ""
    record: Record | None = None

    @property
    def passed(self) -> bool:
        """Whether output and exit status match the transcript."""
        return not self.problem and step_matches(self.expected, self.observed)


def shell_environment(engine: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the whole environment of a transcript.

    :param engine: the variables of the engine's client (``DOCKER_HOST``, ``DOCKER_CONFIG``, ``PATH``).
    :param home: an empty folder, so that no personal settings apply.
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {"PATH": os.defpath, **inherited, **FIXED, "HOME": str(home), **engine}


class Bash:
    """A bash process, as a context manager. On exit, it ends every process that its steps left running."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._outputs = tempfile.TemporaryDirectory(prefix="drydock-")
        asked, self._ask = os.pipe()
        self._answer, answered = os.pipe()
        life, self._life = os.pipe()
        ends = {"asked": asked, "answered": answered, "life": life}
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", _GUARDED.format(**ends), "bash", _LOOP.format(**ends)],
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=tuple(ends.values()),
            start_new_session=True,
        )
        for end in ends.values():
            os.close(end)
        self._count = 0

    def __enter__(self) -> Bash:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._ask)
        self.end()
        os.close(self._life)
        os.close(self._answer)
        self._outputs.cleanup()

    def run(self, command: str, limit: float) -> tuple[str, int]:
        """Run `command` and return its output and exit status.

        :param limit: seconds; after that, the whole process group is killed.
        :raises StepError: there is no exit status.
        """
        self._send_command(command)
        self._wait_until(lambda: select.select([self._answer], [], [], host.POLL_INTERVAL)[0], limit)
        answer = os.read(self._answer, 16)
        if not answer:
            raise StepError("the command ended the shell; run it in a subshell: (exit 3)")
        self._check_size()
        return self._read_output(), int(answer)

    def start(self, command: str, until: str, limit: float) -> str:
        """Run `command` in the background and return its output up to the first line that contains `until`.

        :raises StepError: no such line came within `limit` seconds.
        """
        self._send_command(f"{{\n{command}\n}} &")
        if not os.read(self._answer, 16):
            raise StepError("the command ended the shell")
        return self._wait_until(lambda: _head_until(self._read_output(), until), limit)

    def output_so_far(self) -> str:
        """Return the beginning of the last step's output, as long as a step may print."""
        with self._output_path.open("rb") as output:
            return output.read(PRINT_LIMIT).decode(errors="replace")

    def end(self) -> None:
        """End the shell and everything it started: SIGTERM, then SIGKILL after `GRACE_PERIOD`."""
        if _signal_group(self._bash, signal.SIGTERM):
            host.wait_until(lambda: not _group_lives(self._bash), GRACE_PERIOD)
        _signal_group(self._bash, signal.SIGKILL)
        self._bash.wait()

    @property
    def _output_path(self) -> Path:
        return Path(self._outputs.name) / str(self._count)

    def _read_output(self) -> str:
        return _CONTROL_SEQUENCE.sub("", self._output_path.read_text(errors="replace"))

    def _send_command(self, command: str) -> None:
        self._count += 1
        self._output_path.touch()
        try:
            os.write(self._ask, f"{self._output_path}\0{command}\0".encode())
        except BrokenPipeError:
            raise StepError("an earlier command ended the shell") from None

    def _wait_until(self, ask: Callable[[], Answer], limit: float) -> Answer:
        """Call `ask` until its answer is true, and return that.

        :raises StepError: it took longer than `limit` seconds, or the step printed too much.
        """

        def ask_within_limit() -> Answer:
            self._check_size()
            return ask()

        answer = host.wait_until(ask_within_limit, limit)
        if not answer:
            self.end()
            raise StepError(f"it did not end within {host.scale_limit(limit):g} s and was ended")
        return answer

    def _check_size(self) -> None:
        if self._output_path.stat().st_size > PRINT_LIMIT:
            self.end()
            raise StepError(f"it printed more than {PRINT_LIMIT / 1e6:g} MB and was ended")


def _head_until(text: str, until: str) -> str:
    """Return the lines of `text` up to the first complete one that contains `until`, or ""."""
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if until in line and (number < len(lines) or text.endswith("\n")):
            return "\n".join(lines[:number]) + "\n"
    return ""


def _group_lives(bash: subprocess.Popen[bytes]) -> bool:
    """Return whether a process of the shell's group runs. Zombies don't count."""
    if not Path("/proc/self/stat").exists():
        return _signal_group(bash, 0)
    bash.poll()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group = path.read_text().rpartition(")")[2].split()[:3]
            if int(group) == bash.pid and state != "Z":
                return True
    return False


def _signal_group(bash: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the shell's process group (0 sends none), and return whether the group exists."""
    bash.poll()
    try:
        os.killpg(bash.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def run_steps(transcript: Transcript, folder: Path, env: Mapping[str, str]) -> Iterator[Outcome]:
    """Run the steps of `transcript` in `folder` and yield their outcomes, in order.

    Nothing runs after a step without an exit status. A consumer that stops iterating stops the run.
    """
    with Bash(folder, env) as bash:
        for step in transcript.steps:
            outcome = run_step(bash, step)
            yield outcome
            if outcome.problem:
                return


def run_step(bash: Bash, step: Step) -> Outcome:
    """Run `step` and return its outcome. A step with a retry runs until it passes or its time is over.

    A step that fails because the engine's image store lost a race runs again; its outcome counts the tries.
    """
    until = time.monotonic() + host.scale_limit(step.directives.retry)
    tries = 0
    while True:
        tries += 1
        outcome = dataclasses.replace(_run_once(bash, step), tries=tries)
        raced = tries < RACE_TRIES and any(map(LAYER_RACE.search, outcome.observed.output))
        if outcome.passed or outcome.problem or (time.monotonic() >= until and not raced):
            return outcome
        time.sleep(RETRY_INTERVAL)


def _run_once(bash: Bash, step: Step) -> Outcome:
    began = time.monotonic()
    status, problem = 0, ""
    try:
        if step.directives.until is None:
            text, status = bash.run(step.command, step.directives.limit)
        else:
            text = bash.start(step.command, step.directives.until, step.directives.limit)
    except StepError as error:
        text, problem = bash.output_so_far(), str(error)
    observed = dataclasses.replace(step, output=observed_lines(text), status=status)
    return Outcome(step, observed, time.monotonic() - began, problem=problem)
