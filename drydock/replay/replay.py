"""Replays a transcript of an example on an engine, and records what it printed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker.errors

from drydock.engine import resources
from drydock.engine.client import Engine
from drydock.errors import ReplayError
from drydock.model.example import Example
from drydock.model.transcript import ANY_LINES, Step, Transcript, describe_differences, merge_step, render_transcript
from drydock.replay.reservations import reserve_names
from drydock.replay.shell import Outcome, run_steps, shell_environment

LOG_LINES = 20


@dataclass(frozen=True)
class Job:
    """A transcript to run.

    :ivar scratch: an empty folder, in which a copy of the example is made.
    :ivar locks: the folder of the lock files of this engine.
    :ivar rewrite: record the outputs instead of comparing them.
    :ivar accept: record even a step whose exit status changed.
    :ivar keep: leave what a failure made alive.
    """

    engine: Engine
    example: Example
    name: str
    scratch: Path
    locks: Path
    rewrite: bool = False
    accept: bool = False
    keep: bool = False


#: What a need is called where its name does not say it.
_NAMES = {"docker-28": "Docker 28 or later, with its client and builder, whose messages it shows"}


def missing_needs(transcript: Transcript, engine: Engine) -> str:
    """Return what the transcript needs and the engine does not have, or ""."""
    if engine.facts["name"] == "Podman":
        return "Docker's own client and builder, whose output it shows"
    had = {f"{engine.facts['store']}-store", "swarm", engine.facts["architecture"]}
    if engine.facts["base_images"] == "official":
        had.add("docker-hub")
    if int(engine.facts["version"].split(".")[0]) >= 28:
        had.add("docker-28")
    needed = {need for step in transcript.steps for need in step.directives.needs}
    return ", ".join(_NAMES.get(need, need) for need in sorted(needed - had))


def run_job(job: Job) -> list[Outcome]:
    """Run the job's transcript in a copy of its example; record it if the job says so.

    What the transcript leaves on the engine is removed. Images may be left by it; a container, network or volume that
    it leaves is a fault, because its reader would be left with it too.

    :raises ReplayError: a step failed, something is in the way, or something was left behind.
    """
    transcript = job.example.transcript(job.name)
    env = reader_environment(job.engine, job.scratch)
    with reserve_names(job.engine, job.locks, [job.example.slug], keep=job.keep) as names:
        outcomes = []
        for outcome in run_steps(transcript, job.example.copy_to(job.scratch), env):
            outcomes.append(outcome)
            names.note_images()
            if not outcome.passed and not _may_record(job, outcome):
                entry = keep_hint(job.engine, job.scratch / job.example.slug) if job.keep else []
                report = [*failure_report(job.engine, job.example.slug, transcript, outcome), *entry]
                raise ReplayError("\n".join(report), outcomes)
        left = names.list_leftovers()
        if left:
            raise ReplayError(f"{transcript.place}: it leaves behind {left}; its last steps are to clean up", outcomes)
    if job.rewrite:
        _rewrite_transcript(job, transcript, outcomes)
    return outcomes


def reader_environment(engine: Engine, scratch: Path) -> dict[str, str]:
    """Make the folder `scratch`, with a home in it that is empty, and return the environment of a reader there."""
    home = scratch / "home"
    home.mkdir(parents=True)
    return shell_environment(engine.client, home)


def _may_record(job: Job, outcome: Outcome) -> bool:
    same_status = outcome.observed.status == outcome.expected.status
    return job.rewrite and not outcome.problem and (same_status or job.accept)


def _rewrite_transcript(job: Job, transcript: Transcript, outcomes: list[Outcome]) -> None:
    steps = tuple(merge_step(outcome.expected, outcome.observed) for outcome in outcomes)
    if steps == transcript.steps:
        return  # also where its author wrote it in another form than `render` does
    place = job.example.path(f"transcripts/{job.name}.console")
    text = render_transcript(dataclasses.replace(transcript, steps=steps))
    fresh = place.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(place)


def failure_report(engine: Engine, slug: str, transcript: Transcript, outcome: Outcome) -> list[str]:
    """Return the lines that say what a step did instead of what it should, and what state its containers are in."""
    step = outcome.expected
    tries = f", {outcome.tries} tries" if outcome.tries > 1 else ""
    why = outcome.problem or _status_change(step, outcome.observed) or "the output differs"
    return [
        f"{transcript.place}:{step.line}: {why} (after {outcome.seconds:.1f} s{tries})",
        *(f"  {'$' if first else '>'} {text}" for first, text in _numbered(step.command)),
        *(f"  {line}" for line in describe_differences(step, outcome.observed)),
        *_elided_output(outcome),
        f"engine: {engine}",
        *container_report(engine, slug),
    ]


def _elided_output(outcome: Outcome) -> list[str]:
    """Return what a step printed where any output would do: it did not end as it should, and there it says why."""
    if ANY_LINES not in outcome.expected.output or outcome.passed:
        return []
    return [f"  | {line}" for line in outcome.observed.output[-LOG_LINES:]]


def _numbered(command: str) -> Iterator[tuple[bool, str]]:
    for index, text in enumerate(command.split("\n")):
        yield index == 0, text


def _status_change(expected: Step, observed: Step) -> str:
    if expected.status == observed.status:
        return ""
    return f"exit {expected.status} expected, exit {observed.status} observed"


def container_report(engine: Engine, prefix: str) -> list[str]:
    """Return the containers whose name begins with `prefix`, with state and last log lines, as lines of a report."""
    lines = []
    with (
        contextlib.suppress(OSError, docker.errors.DockerException),
        contextlib.closing(resources.api_client(engine)) as client,
    ):
        for container in client.containers(all=True):
            name = container["Names"][0].lstrip("/") if container["Names"] else container["Id"][:12]
            if name.startswith(prefix):
                lines.append(f"container {name} ({container['Image']}): {container['Status']}")
                log = client.logs(container["Id"], tail=LOG_LINES).decode(errors="replace")
                lines += [f"  | {line}" for line in log.splitlines()]
    return lines


def keep_hint(engine: Engine, folder: Path) -> list[str]:
    """Return lines that say how to enter what ``--keep`` left alive."""
    exports = " ".join(f"{name}={value}" for name, value in engine.client.items() if name.startswith("DOCKER_"))
    return ["kept alive; enter it with:", f"  cd {folder}", f"  export {exports} PATH={engine.client['PATH']}"]
