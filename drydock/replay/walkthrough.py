"""Follows a page: runs its steps in order, in one shell, and checks that nothing is left on the engine.

Each transcript is tested by itself, but a page shows parts of several. ``nox -s follow`` tests that a reader can follow
the page from top to bottom.
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

#: Seconds for ``cd``.
CD_TIMEOUT = 10.0


def follow_page(
    typed: Sequence[PageSteps], examples: Mapping[str, Example], engine: Engine, scratch: Path, locks: Path
) -> Walkthrough:
    """Run the steps of a page, those of each example in a copy of its folder, and return the walkthrough.

    :param typed: the page's blocks of steps, in order.
    :param scratch: a folder for the copies, which must not exist.
    :param locks: the folder of this engine's lock files.
    :raises ReplayError: a step failed, a name is already in use, or a container, network, or volume is left.
    """
    count = 0
    missing: set[str] = set()
    env = reader_environment(engine, scratch)
    with reserve_names(engine, locks, {block.slug for block in typed}) as names, Bash(scratch, env) as bash:
        for block, moved in _with_moves(typed):
            transcript = block.steps(examples)
            need = missing_needs(transcript, engine)
            if need:
                missing.add(need)
                continue
            folder = scratch / block.slug
            if not folder.exists():
                examples[block.slug].copy_to(scratch)
            if moved:
                bash.run(f"cd {shlex.quote(str(folder))}", CD_TIMEOUT)
            for step in transcript.steps:
                outcome = run_step(bash, step)
                names.note_images()
                if not outcome.passed:
                    raise ReplayError("\n".join(failure_report(engine, block.slug, transcript, outcome)))
                count += 1
        leftovers = names.list_leftovers()
        if leftovers:
            raise ReplayError(f"the page leaves {leftovers}; remove it in its last steps")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Walkthrough(count, engine.key, today, walkthroughs.page_digest(typed, examples), tuple(sorted(missing)))


def _with_moves(typed: Sequence[PageSteps]) -> Iterator[tuple[PageSteps, bool]]:
    """Yield each block, and whether the block before it is another example's."""
    slug = ""
    for block in typed:
        yield block, block.slug != slug
        slug = block.slug


def note_result(page: str, result: Walkthrough | None, locks: Path, top: Path = ROOT) -> None:
    """Record the walkthrough of `page`; None removes it. A lock keeps out other processes that record theirs."""
    with host.file_lock(locks / "followed"):
        results = walkthroughs.load_walkthroughs(top)
        results.pop(page, None)
        walkthroughs.save_walkthroughs({**results, page: result} if result else results, top)
