"""Follows a page: types all that it has a reader type, in order, in one terminal, and looks at what is left.

A transcript is held to run by itself. A page shows parts of several, one after the other: whether it can be followed
from its top to its bottom is another question. ``nox -s follow`` asks it.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT, inventory
from drydock.engine import Engine
from drydock.errors import MalformedError, ReplayError
from drydock.example import Example
from drydock.names import alone
from drydock.record import at_home, missing_needs, report
from drydock.shell import Bash, attempt
from drydock.transcript import Transcript

#: Beside the pages of a built site: what each of them has a reader type.
STEPS = "drydock-steps.json"
#: Written by ``nox -s follow``; read by the site.
RESULTS = Path("evidence/followed.json")
#: Seconds in which a shell changes its folder.
MOMENT = 10.0


@dataclass(frozen=True)
class Typed:
    """What a block of a page has a reader type.

    :ivar transcript: its name in the example `slug`.
    :ivar lines: 1-based lines of the transcript at which the commands stand.
    """

    slug: str
    transcript: str
    lines: tuple[int, ...]

    def steps(self, examples: Mapping[str, Example]) -> Transcript:
        """Return them.

        :raises MissingError: there is no such example or transcript any more.
        :raises MalformedError: the transcript does not parse.
        """
        whole = examples[self.slug].transcript(self.transcript)
        return Transcript(whole.place, tuple(step for step in whole.steps if step.line in self.lines))


@dataclass(frozen=True)
class Followed:
    """That a page was followed to its end.

    :ivar steps: how many commands were typed.
    :ivar engine: its key, such as ``docker-28.5``.
    :ivar date: ISO date (UTC).
    :ivar digest: of what was typed and shown, and of the examples' files: see :func:`digest`.
    :ivar lacking: what blocks that were left out need of an engine, which that one does not have.
    """

    steps: int
    engine: str
    date: str
    digest: str
    lacking: tuple[str, ...] = ()


def has_order(page: str) -> bool:
    """Say whether a page, by its docname, is written to be followed from its top to its bottom.

    A reference, or a list of what is often said, is looked up: each of its sections stands by itself.
    """
    return page.startswith(("tutorials/", "how-to/", "concepts/")) and not page.startswith("concepts/myths/")


def save(folder: Path, typed: Mapping[str, Sequence[Typed]]) -> None:
    """Write beside the pages in `folder` what each of them has a reader type, by docname."""
    pages = {name: [dataclasses.asdict(block) for block in blocks] for name, blocks in typed.items() if blocks}
    (folder / STEPS).write_text(json.dumps(pages, indent=1) + "\n", encoding="utf-8")


def load(folder: Path) -> dict[str, list[Typed]]:
    """Return what each page of the site built in `folder` has a reader type, by docname.

    :raises MalformedError: no site was built there.
    """
    try:
        pages = json.loads((folder / STEPS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MalformedError(folder / STEPS, 0, f"no site was built there ({error}); run: nox -s docs") from error
    return {
        name: [Typed(block["slug"], block["transcript"], tuple(block["lines"])) for block in blocks]
        for name, blocks in pages.items()
    }


def results(top: Path = ROOT) -> dict[str, Followed]:
    """Return which pages were followed to their ends, by docname.

    :raises MalformedError: the file is not what :func:`keep` writes.
    """
    place = top / RESULTS
    if not place.is_file():
        return {}
    try:
        return {name: _checked(**fields) for name, fields in json.loads(place.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(RESULTS, 0, f"no list of pages ({error}); delete it and run: nox -s follow") from error


def _checked(steps: int, engine: str, date: str, digest: str, lacking: Sequence[str] = ()) -> Followed:
    datetime.date.fromisoformat(date)
    texts = [engine, digest, *lacking]
    if type(steps) is not int or steps < 0 or not all(type(text) is str for text in texts):
        raise ValueError(f"odd: {steps} {texts}")
    return Followed(steps, engine, date, digest, tuple(lacking))


def keep(page: str, followed: Followed | None, locks: Path, top: Path = ROOT) -> None:
    """Write that `page` was followed to its end; None, that it was not. Others may write about theirs meanwhile."""
    with inventory.held(locks / "followed"):
        known = results(top)
        known.pop(page, None)
        kept = {**known, page: followed} if followed else known
        data = {name: dataclasses.asdict(each) for name, each in kept.items()}
        (top / RESULTS).write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def digest(typed: Sequence[Typed], examples: Mapping[str, Example]) -> str:
    """Return the sha256 (hex) of the steps that a page shows, and of the files that they work on."""
    shown = [
        (block.slug, step.command, step.output, step.status) for block in typed for step in block.steps(examples).steps
    ]
    whole = hashlib.sha256(json.dumps(shown).encode())
    for slug in sorted({block.slug for block in typed}):
        for name in examples[slug].files:
            if not name.startswith("transcripts/"):
                whole.update(
                    f"{slug}/{name}\0".encode() + hashlib.sha256(examples[slug].path(name).read_bytes()).digest()
                )
    return whole.hexdigest()


def follow(
    typed: Sequence[Typed], examples: Mapping[str, Example], engine: Engine, scratch: Path, locks: Path
) -> Followed:
    """Type all of it, each example's part in a copy of its folder, and return that it came to its end.

    A step is held to what the page shows, as in its transcript.

    :param scratch: an empty folder, in which the copies are made.
    :param locks: the folder of the lock files of this engine.
    :raises ReplayError: a step failed, something is in the way, or the reader is left with a container, network or
        volume.
    """
    count = 0
    lacking: list[str] = []
    env = at_home(engine, scratch)
    with alone(engine, locks, {block.slug for block in typed}) as names, Bash(scratch, env) as bash:
        for block, moved in _moves(typed):
            transcript = block.steps(examples)
            lack = missing_needs(transcript, engine)
            if lack:
                lacking += [lack]
                continue
            place = scratch / block.slug
            if not place.exists():
                examples[block.slug].copy_to(scratch)
            if moved:
                bash.run(f"cd {place}", MOMENT)
            for step in transcript.steps:
                outcome = attempt(bash, step)
                names.look()
                if not outcome.passed:
                    raise ReplayError("\n".join(report(engine, block.slug, transcript, outcome)))
                count += 1
        left = names.left()
        if left:
            raise ReplayError(f"at its end the reader is left with {left}")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Followed(count, engine.key, today, digest(typed, examples), tuple(sorted(set(lacking))))


def _moves(typed: Sequence[Typed]) -> Iterator[tuple[Typed, bool]]:
    """Yield each block, and whether its example is another one than that before it."""
    slug = ""
    for block in typed:
        yield block, block.slug != slug
        slug = block.slug
