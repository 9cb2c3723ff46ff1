"""Runs the steps of a transcript in one bash: working folder, variables and functions carry over, as for a reader."""

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from drydock.errors import DrydockError
from drydock.model.transcript import Step, Transcript, observed_lines, step_matches

#: Bytes that one step may print. More is a fault of the step, and would fill the disk.
PRINT_LIMIT = 4_000_000
#: Seconds that what a transcript left running has to end when asked, before it is forced.
GRACE_PERIOD = 3.0
#: What tells a terminal how to show a line, and is no part of it: Compose 2.26 erases each line of a log before it.
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: Seconds between two looks at a background step, and between two tries of a step that is retried.
POLL_INTERVAL = 0.1
#: What a step inherits from the caller's environment: how to reach the network, nothing else.
INHERITED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
#: The same for every run, so that what a command prints is the same.
FIXED = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1", "BUILDKIT_PROGRESS": "plain", "COLUMNS": "100"}

# Reads pairs of (file for the output, command) and answers with the exit status. The output goes to a file, not a
# pipe: nothing has to drain it, and a background step keeps its own. `again` makes $? what the last step left.
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

# Runs the loop, and beside it what ends all that the steps started if whoever waits for them is killed: the pipe that
# it reads is open for as long as that process lives.
_GUARDED = """
(read -r -u {life}; kill -KILL 0) {asked}<&- {answered}>&- &
exec bash --noprofile --norc -c "$1" {life}<&-
"""


class StepError(DrydockError):
    """A step that gave no exit status: it ran out of time, printed too much, or ended the shell."""


@dataclass(frozen=True)
class Outcome:
    """What became of one step.

    :ivar observed: the step as it ran; its status is that of the last try.
    :ivar seconds: wall time of the last try.
    :ivar tries: how often the command was run.
    :ivar problem: why there is no exit status, or "".
    """

    expected: Step
    observed: Step
    seconds: float
    tries: int = 1
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether the step did what the transcript says."""
        return not self.problem and step_matches(self.expected, self.observed)


def shell_environment(engine: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the whole environment of a transcript.

    :param engine: what the engine's client needs (``DOCKER_HOST``, ``DOCKER_CONFIG``, ``PATH``).
    :param home: an empty folder: the settings of whoever runs the tests stay out.
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {"PATH": os.defpath, **inherited, **FIXED, "HOME": str(home), **engine}


class Bash:
    """One bash, as a context manager. Leaving it ends every process that its steps left running."""

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
        """Run `command` and return what it printed and its exit status.

        :param limit: seconds; then the whole process group is killed.
        :raises StepError: there is no exit status.
        """
        output = self._send(command)
        deadline = time.monotonic() + limit
        while not select.select([self._answer], [], [], POLL_INTERVAL)[0]:
            self._guard(output, deadline, limit)
        answer = os.read(self._answer, 16)
        if not answer:
            raise StepError("the command ended the shell; run it in a subshell: (exit 3)")
        self._guard(output, deadline, limit)
        return _CONTROL.sub("", output.read_text(errors="replace")), int(answer)

    def start(self, command: str, until: str, limit: float) -> str:
        """Run `command` in the background and return what it printed up to the first line that holds `until`.

        :raises StepError: no such line came within `limit` seconds.
        """
        output = self._send(f"{{\n{command}\n}} &")
        if not os.read(self._answer, 16):
            raise StepError("the command ended the shell")
        deadline = time.monotonic() + limit
        while True:
            text = _CONTROL.sub("", output.read_text(errors="replace"))
            lines = text.splitlines()
            for number, line in enumerate(lines, start=1):
                if until in line and (number < len(lines) or text.endswith("\n")):
                    return "\n".join(lines[:number]) + "\n"
            select.select([], [], [], POLL_INTERVAL)
            self._guard(output, deadline, limit)

    def printed(self) -> str:
        """Return what the last step has printed so far."""
        with self._output.open("rb") as output:
            return output.read(PRINT_LIMIT).decode(errors="replace")

    def end(self) -> None:
        """End the shell and everything it started: first asked, then forced."""
        deadline = time.monotonic() + GRACE_PERIOD
        if _group_signalled(self._bash, signal.SIGTERM):
            while _group_lives(self._bash) and time.monotonic() < deadline:
                select.select([], [], [], 0.02)
        _group_signalled(self._bash, signal.SIGKILL)
        self._bash.wait()

    @property
    def _output(self) -> Path:
        return Path(self._outputs.name) / str(self._count)

    def _send(self, command: str) -> Path:
        self._count += 1
        self._output.touch()
        try:
            os.write(self._ask, f"{self._output}\0{command}\0".encode())
        except BrokenPipeError:
            raise StepError("an earlier command ended the shell") from None
        return self._output

    def _guard(self, output: Path, deadline: float, limit: float) -> None:
        if output.stat().st_size > PRINT_LIMIT:
            self.end()
            raise StepError(f"it printed more than {PRINT_LIMIT / 1e6:g} MB and was ended")
        if time.monotonic() > deadline:
            self.end()
            raise StepError(f"it did not end within {limit:g} s and was ended")


def _group_lives(bash: subprocess.Popen[bytes]) -> bool:
    """Say whether a process of the group still runs. One that awaits its parent is dead."""
    if not Path("/proc/self/stat").exists():
        return _group_signalled(bash, 0)
    bash.poll()
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group = place.read_text().rpartition(")")[2].split()[:3]
            if int(group) == bash.pid and state != "Z":
                return True
    return False


def _group_signalled(bash: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the shell's process group (0 only asks) and say whether there is such a group."""
    bash.poll()
    try:
        os.killpg(bash.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def run_steps(transcript: Transcript, folder: Path, env: Mapping[str, str]) -> Iterator[Outcome]:
    """Run the steps of `transcript` in `folder` and yield what became of each, in order.

    The consumer stops asking to stop the run. After a step without exit status nothing more runs.
    """
    with Bash(folder, env) as bash:
        for step in transcript.steps:
            outcome = run_step(bash, step)
            yield outcome
            if outcome.problem:
                return


def run_step(bash: Bash, step: Step) -> Outcome:
    """Run `step`, again and again if it may be retried and does not do what it should, and return what became of it."""
    until = time.monotonic() + step.directives.retry
    tries = 0
    while True:
        tries += 1
        outcome = dataclasses.replace(_run_once(bash, step), tries=tries)
        if outcome.passed or outcome.problem or time.monotonic() >= until:
            return outcome
        select.select([], [], [], POLL_INTERVAL)


def _run_once(bash: Bash, step: Step) -> Outcome:
    began = time.monotonic()
    status, problem = 0, ""
    try:
        if step.directives.until is None:
            text, status = bash.run(step.command, step.directives.limit)
        else:
            text = bash.start(step.command, step.directives.until, step.directives.limit)
    except StepError as error:
        text, problem = bash.printed(), str(error)
    observed = dataclasses.replace(step, output=observed_lines(text), status=status)
    return Outcome(step, observed, time.monotonic() - began, problem=problem)
