"""Replays a transcript of an example on an engine, and records its output."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import docker.errors

from drydock import store
from drydock.engine import resources
from drydock.engine.client import Engine
from drydock.errors import ReplayError
from drydock.model.conditions import condition_holds
from drydock.model.example import Example
from drydock.model.records import make_record
from drydock.model.transcript import ANY_LINES, Step, Transcript, describe_differences, merge_step, render_transcript
from drydock.replay import privacy
from drydock.replay.reservations import reserve_names
from drydock.replay.shell import Outcome, run_steps, shell_environment

#: Lines of output or logs in a report.
LOG_LINES = 20


@dataclass(frozen=True)
class Job:
    """A transcript to run.

    :ivar name: the transcript's name.
    :ivar scratch: an empty folder for the copy of the example.
    :ivar locks: the folder of this engine's lock files.
    :ivar record: keep what the steps printed for evidence.
    :ivar rewrite: write the outputs into the transcript instead of comparing them.
    :ivar accept: record even a step whose exit status changed.
    :ivar keep: after a failure, leave everything in place.
    """

    engine: Engine
    example: Example
    name: str
    scratch: Path
    locks: Path
    record: bool = False
    rewrite: bool = False
    accept: bool = False
    keep: bool = False


#: Need -> its description in a skip's reason. The others describe themselves.
_DESCRIPTIONS = {"docker-28": "Docker 28 or later, with its client and builder, whose messages it shows"}


def missing_needs(transcript: Transcript, engine: Engine) -> str:
    """Return the needs of the transcript that the engine doesn't meet, separated by commas, or ""."""
    if engine.facts["name"] == "Podman":
        return "Docker's own client and builder, whose output it shows"
    met = {f"{engine.facts['store']}-store", "swarm", engine.facts["architecture"]}
    if engine.facts["base_images"] == "official":
        met.add("docker-hub")
    if condition_holds("docker >= 28", engine.facts):
        met.add("docker-28")
    needed = {need for step in transcript.steps for need in step.directives.needs}
    return ", ".join(_DESCRIPTIONS.get(need, need) for need in sorted(needed - met))


def run_job(job: Job) -> list[Outcome]:
    """Run the job's transcript in a copy of its example, record it if the job says so, and return its outcomes.

    A transcript may leave images, which are removed. A container, network, or volume that it leaves is an error: its
    reader would be left with it too.

    :raises ReplayError: a step failed, a name is already in use, or the transcript left something.
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
        leftovers = names.list_leftovers()
        if leftovers:
            message = f"{transcript.place}: the transcript leaves {leftovers}; remove it in its last steps"
            raise ReplayError(message, outcomes)
    if job.rewrite:
        transcript = _rewrite_transcript(job, transcript, outcomes)
    return _record_outcomes(job, transcript, outcomes) if job.record else outcomes


def _record_outcomes(job: Job, transcript: Transcript, outcomes: list[Outcome]) -> list[Outcome]:
    """Return the outcomes with their records.

    :raises ReplayError: one holds a secret, or is over the limit.
    """
    clean = privacy.find_private(job.example, job.scratch)
    recorded = []
    for step, outcome in zip(transcript.steps, outcomes, strict=True):
        try:
            record = make_record(step.output, outcome.observed.output, clean)
        except ValueError as error:
            raise ReplayError(f"{transcript.place}:{step.line}: {error}", outcomes) from None
        recorded.append(dataclasses.replace(outcome, record=record))
    return recorded


def reader_environment(engine: Engine, scratch: Path) -> dict[str, str]:
    """Make the folder `scratch` with an empty home folder, and return the environment of a reader there."""
    home = scratch / "home"
    home.mkdir(parents=True)
    return shell_environment(engine.client, home)


def _may_record(job: Job, outcome: Outcome) -> bool:
    same_status = outcome.observed.status == outcome.expected.status
    return job.rewrite and not outcome.problem and (same_status or job.accept)


def _rewrite_transcript(job: Job, transcript: Transcript, outcomes: list[Outcome]) -> Transcript:
    steps = tuple(merge_step(outcome.expected, outcome.observed) for outcome in outcomes)
    if steps == transcript.steps:
        return transcript  # nothing changed: keep the author's formatting
    path = job.example.path(f"transcripts/{job.name}.console")
    rewritten = dataclasses.replace(transcript, steps=steps)
    store.write_text(path, render_transcript(rewritten))
    return rewritten


def failure_report(engine: Engine, slug: str, transcript: Transcript, outcome: Outcome) -> list[str]:
    """Return the lines of a failed step's report: the difference, the engine, and the state of its containers."""
    step = outcome.expected
    tries = f", {outcome.tries} tries" if outcome.tries > 1 else ""
    lines = step.command.split("\n")
    prompts = ["$", *">" * (len(lines) - 1)]
    why = outcome.problem or _status_change(step, outcome.observed) or "the output differs"
    return [
        f"{transcript.place}:{step.line}: {why} (after {outcome.seconds:.1f} s{tries})",
        *(f"  {prompt} {text}" for prompt, text in zip(prompts, lines, strict=True)),
        *(f"  {line}" for line in describe_differences(step, outcome.observed)),
        *_elided_output(outcome),
        f"engine: {engine}",
        *container_report(engine, slug),
    ]


def _elided_output(outcome: Outcome) -> list[str]:
    """Return the last lines of a failed step that elides its output: no difference would show them."""
    if ANY_LINES not in outcome.expected.output or outcome.passed:
        return []
    return [f"  | {line}" for line in outcome.observed.output[-LOG_LINES:]]


def _status_change(expected: Step, observed: Step) -> str:
    if expected.status == observed.status:
        return ""
    return f"exit {expected.status} expected, exit {observed.status} observed"


def container_report(engine: Engine, prefix: str) -> list[str]:
    """Return report lines about the containers whose names begin with `prefix`: state, and end of the log."""
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
    """Return report lines with the commands that enter the folder which ``--keep`` left."""
    exports = " ".join(f"{name}={value}" for name, value in engine.client.items() if name.startswith("DOCKER_"))
    return ["kept alive; enter it with:", f"  cd {folder}", f"  export {exports} PATH={engine.client['PATH']}"]
