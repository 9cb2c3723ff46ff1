"""Follows a page: types all that it has a reader type, in order, in one terminal, and looks at what is left.

A transcript is held to run by itself. A page shows parts of several, one after the other: whether it can be followed
from its top to its bottom is another question. ``nox -s follow`` asks it.
"""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from drydock import ROOT, followed, inventory
from drydock.engine import Engine
from drydock.errors import ReplayError
from drydock.example import Example
from drydock.followed import Followed, Typed
from drydock.names import alone
from drydock.record import at_home, missing_needs, report
from drydock.shell import Bash, attempt

#: Seconds in which a shell changes its folder.
MOMENT = 10.0


def follow(
    typed: Sequence[Typed], examples: Mapping[str, Example], engine: Engine, scratch: Path, locks: Path
) -> Followed:
    """Type all of it, each example's part in a copy of its folder, and return that it came to its end.

    A step is held to what the page shows, as in its transcript.

    :param scratch: a folder that is not there yet, in which the copies are made.
    :param locks: the folder of the lock files of this engine.
    :raises ReplayError: a step failed, something is in the way, or the reader is left with a container, network or
        volume.
    """
    count = 0
    lacking: set[str] = set()
    env = at_home(engine, scratch)
    with alone(engine, locks, {block.slug for block in typed}) as names, Bash(scratch, env) as bash:
        for block, moved in _moves(typed):
            transcript = block.steps(examples)
            lack = missing_needs(transcript, engine)
            if lack:
                lacking.add(lack)
                continue
            place = scratch / block.slug
            if not place.exists():
                examples[block.slug].copy_to(scratch)
            if moved:
                bash.run(f"cd {shlex.quote(str(place))}", MOMENT)
            for step in transcript.steps:
                outcome = attempt(bash, step)
                names.look()
                if not outcome.passed:
                    raise ReplayError("\n".join(report(engine, block.slug, transcript, outcome)))
                count += 1
        left = names.left()
        if left:
            raise ReplayError(f"in the end the reader is left with {left}")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Followed(count, engine.key, today, followed.digest(typed, examples), tuple(sorted(lacking)))


def _moves(typed: Sequence[Typed]) -> Iterator[tuple[Typed, bool]]:
    """Yield each block, and whether its example is another one than that before it."""
    slug = ""
    for block in typed:
        yield block, block.slug != slug
        slug = block.slug


def note(page: str, result: Followed | None, locks: Path, top: Path = ROOT) -> None:
    """Write that `page` was followed to its end; None, that it was not. Others may write of theirs meanwhile."""
    with inventory.held(locks / "followed"):
        known = followed.load(top)
        known.pop(page, None)
        followed.save({**known, page: result} if result else known, top)
