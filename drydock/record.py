"""Replays a transcript of an example on an engine, and records what it printed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import docker.errors

from drydock import inventory
from drydock.engine import Engine
from drydock.errors import DrydockError, EngineError
from drydock.example import Example
from drydock.inventory import Thing
from drydock.shell import Outcome, environment, replay
from drydock.transcript import ANY_LINES, Step, Transcript, differences, merge, render

LOG_LINES = 20
#: Is told of each step that has run, also where the transcript then fails: the plugin listens, for the ledger.
TOLD: ContextVar[Callable[[Outcome], object]] = ContextVar("TOLD", default=lambda outcome: None)


class ReplayError(DrydockError):
    """A transcript that did not do what it says, as a report for the reader of a CI log."""


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


def run(job: Job) -> list[Outcome]:
    """Run the job's transcript in a copy of its example; record it if the job says so.

    What the transcript leaves on the engine is removed. Images may be left by it; a container, network or volume that
    it leaves is a fault, because its reader would be left with it too.

    :raises ReplayError: a step failed, something is in the way, or something was left behind.
    """
    transcript = job.example.transcript(job.name)
    job.scratch.mkdir(parents=True, exist_ok=True)
    home = job.scratch / "home"
    home.mkdir()
    env = environment(job.engine.client, home)
    with _image_ids(job) as image_ids, _alone(job):
        outcomes = []
        for outcome in replay(transcript, job.example.copy_to(job.scratch), env):
            outcomes.append(outcome)
            TOLD.get()(outcome)
            image_ids.look()
            if not outcome.passed and not _recordable(job, outcome):
                raise ReplayError(_report(job, transcript, outcome))
        _nothing_left(job, transcript)
    if job.rewrite:
        _rewrite(job, transcript, outcomes)
    return outcomes


def _recordable(job: Job, outcome: Outcome) -> bool:
    same_status = outcome.observed.status == outcome.expected.status
    return job.rewrite and not outcome.problem and (same_status or job.accept)


def _rewrite(job: Job, transcript: Transcript, outcomes: list[Outcome]) -> None:
    steps = tuple(merge(outcome.expected, outcome.observed) for outcome in outcomes)
    if steps == transcript.steps:
        return  # also where its author wrote it in another form than `render` does
    place = job.example.path(f"transcripts/{job.name}.console")
    text = render(dataclasses.replace(transcript, steps=steps))
    fresh = place.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(place)


def in_the_way(engine: Engine, locks: Path, slugs: Collection[str]) -> list[Thing]:
    """Return what has names that the transcripts of `slugs` use, and that no run uses or has left: a reader made it.

    :param locks: the folder of the lock files of this engine.
    :raises EngineError: the engine does not answer.
    """
    found = inventory.things(engine)
    theirs = []
    for slug in slugs:
        named = [thing for thing in found if thing.of(slug)]
        if named:
            with inventory.held(_names(locks, slug), wait=False) as lock:
                theirs += named if lock is not None and not lock.read() else []
    return theirs


def refusal(found: Sequence[Thing]) -> str:
    """Return the message that names what is in the way of transcripts, and the commands that remove it."""
    shown = "\n".join(f"  {thing}" for thing in found)
    keys: dict[str, list[str]] = {}  # by the words of the command
    for thing in found:
        key = thing.key[:12] if thing.kind in ("container", "network") else thing.key
        keys.setdefault(_REMOVAL[thing.kind], []).append(key)
    commands = "\n".join(f"  docker {words} {' '.join(each)}" for words, each in keys.items())
    return (
        f"the transcripts use these names, and the engine has them already:\n{shown}\n"
        "Drydock did not make them and leaves them alone. Rename what you want to keep; this removes the rest:\n"
        f"{commands}"
    )


#: What removes each kind of thing.
_REMOVAL = {"container": "rm --force", "network": "network rm", "volume": "volume rm", "image": "image rm"}


def _names(locks: Path, slug: str) -> Path:
    """Return the lock file of whoever uses the names of an example's transcripts."""
    return locks / f"{slug}.names"


@contextlib.contextmanager
def _alone(job: Job) -> Iterator[None]:
    """Hold the example's names on the engine: a transcript uses the fixed names that its reader would.

    The lock file has content while a transcript runs. Found with content, its holder died: what it left is removed.
    """
    with inventory.held(_names(job.locks, job.example.slug)) as lock:
        assert lock is not None
        if lock.read():
            inventory.remove(job.engine, _belongings(job))
        found = _belongings(job)
        if found:
            raise ReplayError(f"examples/{job.example.slug}: {refusal(found)}")
        _mark(lock, "a transcript runs")
        try:
            yield
        except BaseException:
            if job.keep:
                _mark(lock, "")
            else:
                with contextlib.suppress(EngineError):  # it is gone: whoever comes next finds the mark
                    _let_go(job, lock)
            raise
        _let_go(job, lock)


def _let_go(job: Job, lock: object) -> None:
    inventory.remove(job.engine, _belongings(job))
    _mark(lock, "")


def _mark(lock: object, text: str) -> None:
    lock.seek(0)  # type: ignore[attr-defined]
    lock.truncate()  # type: ignore[attr-defined]
    lock.write(text)  # type: ignore[attr-defined]
    lock.flush()  # type: ignore[attr-defined]


def _belongings(job: Job) -> list[Thing]:
    return [thing for thing in inventory.things(job.engine) if thing.of(job.example.slug)]


class _ImageIds:
    """Remembers the IDs of the images that the transcript tagged: a rebuild takes the tag away from the former one."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.found: set[str] = set()

    def look(self) -> None:
        # Where the engine is gone, the step says so better.
        with (
            contextlib.suppress(OSError, docker.errors.DockerException),
            contextlib.closing(inventory.api(self._job.engine)) as client,
        ):
            for image in inventory.images(client):
                for tag in inventory.tags(image):
                    if Thing("image", tag, tag).of(self._job.example.slug):
                        self.found.add(image["Id"])

    def untagged(self) -> list[Thing]:
        """Return those that have no tag any more. One of another tag is somebody else's too: equal builds are one."""
        with contextlib.closing(inventory.api(self._job.engine)) as client:
            left = {image["Id"] for image in inventory.images(client, dangling=True)}
        return [Thing("image", key, key) for key in sorted(self.found & left)]


@contextlib.contextmanager
def _image_ids(job: Job) -> Iterator[_ImageIds]:
    seen = _ImageIds(job)
    try:
        yield seen
    finally:
        if seen.found and not job.keep:
            with contextlib.suppress(DrydockError, OSError, docker.errors.DockerException):
                inventory.remove(job.engine, seen.untagged())


def _nothing_left(job: Job, transcript: Transcript) -> None:
    left = [thing for thing in _belongings(job) if thing.kind != "image"]
    if left:
        shown = ", ".join(map(str, left))
        raise ReplayError(f"{transcript.place}: it leaves behind {shown}; its last steps are to clean up")


def _report(job: Job, transcript: Transcript, outcome: Outcome) -> str:
    step = outcome.expected
    tries = f", {outcome.tries} tries" if outcome.tries > 1 else ""
    why = outcome.problem or _status_change(step, outcome.observed) or "the output differs"
    lines = [
        f"{transcript.place}:{step.line}: {why} (after {outcome.seconds:.1f} s{tries})",
        *(f"  {'$' if first else '>'} {text}" for first, text in _numbered(step.command)),
        *(f"  {line}" for line in differences(step, outcome.observed)),
        *_elided(outcome),
        f"engine: {job.engine}",
        *state(job.engine, job.example.slug),
    ]
    if job.keep:
        lines += kept(job.engine, job.scratch / job.example.slug)
    return "\n".join(lines)


def _elided(outcome: Outcome) -> list[str]:
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


def state(engine: Engine, prefix: str) -> list[str]:
    """Return the containers whose name begins with `prefix`, with state and last log lines, as lines of a report."""
    lines = []
    with (
        contextlib.suppress(OSError, docker.errors.DockerException),
        contextlib.closing(inventory.api(engine)) as client,
    ):
        for container in client.containers(all=True):
            name = container["Names"][0].lstrip("/") if container["Names"] else container["Id"][:12]
            if name.startswith(prefix):
                lines.append(f"container {name} ({container['Image']}): {container['Status']}")
                log = client.logs(container["Id"], tail=LOG_LINES).decode(errors="replace")
                lines += [f"  | {line}" for line in log.splitlines()]
    return lines


def kept(engine: Engine, folder: Path) -> list[str]:
    """Return lines that say how to enter what ``--keep`` left alive."""
    exports = " ".join(f"{name}={value}" for name, value in engine.client.items() if name.startswith("DOCKER_"))
    return ["kept alive; enter it with:", f"  cd {folder}", f"  export {exports} PATH={engine.client['PATH']}"]
