"""Follows a page: types all that it has a reader type, in order, in one terminal, and looks at what is left.

A transcript is held to run by itself. A page shows parts of several, one after the other: whether it can be followed
from its top to its bottom is another question. ``nox -s follow`` asks it.
"""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from drydock import ROOT, host
from drydock.engine.client import Engine
from drydock.errors import ReplayError
from drydock.model import walkthroughs
from drydock.model.example import Example
from drydock.model.walkthroughs import PageSteps, Walkthrough
from drydock.replay.replay import failure_report, missing_needs, reader_environment
from drydock.replay.reservations import reserve_names
from drydock.replay.shell import Bash, run_step

#: Seconds in which a shell changes its folder.
CD_TIMEOUT = 10.0


def follow_page(
    typed: Sequence[PageSteps], examples: Mapping[str, Example], engine: Engine, scratch: Path, locks: Path
) -> Walkthrough:
    """Type all of it, each example's part in a copy of its folder, and return that it came to its end.

    A step is held to what the page shows, as in its transcript.

    :param scratch: a folder that is not there yet, in which the copies are made.
    :param locks: the folder of the lock files of this engine.
    :raises ReplayError: a step failed, something is in the way, or the reader is left with a container, network or
        volume.
    """
    count = 0
    lacking: set[str] = set()
    env = reader_environment(engine, scratch)
    with reserve_names(engine, locks, {block.slug for block in typed}) as names, Bash(scratch, env) as bash:
        for block, moved in _with_moves(typed):
            transcript = block.steps(examples)
            lack = missing_needs(transcript, engine)
            if lack:
                lacking.add(lack)
                continue
            place = scratch / block.slug
            if not place.exists():
                examples[block.slug].copy_to(scratch)
            if moved:
                bash.run(f"cd {shlex.quote(str(place))}", CD_TIMEOUT)
            for step in transcript.steps:
                outcome = run_step(bash, step)
                names.note_images()
                if not outcome.passed:
                    raise ReplayError("\n".join(failure_report(engine, block.slug, transcript, outcome)))
                count += 1
        left = names.list_leftovers()
        if left:
            raise ReplayError(f"in the end the reader is left with {left}")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Walkthrough(count, engine.key, today, walkthroughs.page_digest(typed, examples), tuple(sorted(lacking)))


def _with_moves(typed: Sequence[PageSteps]) -> Iterator[tuple[PageSteps, bool]]:
    """Yield each block, and whether its example is another one than that before it."""
    slug = ""
    for block in typed:
        yield block, block.slug != slug
        slug = block.slug


def note_result(page: str, result: Walkthrough | None, locks: Path, top: Path = ROOT) -> None:
    """Write that `page` was followed to its end; None, that it was not. Others may write of theirs meanwhile."""
    with host.file_lock(locks / "followed"):
        known = walkthroughs.load_walkthroughs(top)
        known.pop(page, None)
        walkthroughs.save_walkthroughs({**known, page: result} if result else known, top)
