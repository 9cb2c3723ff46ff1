"""Walkthroughs: pages whose commands were typed from top to bottom, for the site.

:mod:`drydock.replay.walkthrough` types them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT, store
from drydock.errors import MalformedError
from drydock.model.example import Example
from drydock.model.transcript import Transcript

#: The commands that each page shows; written next to the pages of a built site.
STEPS_FILE = "drydock-steps.json"
#: Written by ``nox -s follow``; read by the site.
WALKTHROUGHS_FILE = Path("evidence/reports/followed.json")


@dataclass(frozen=True)
class PageSteps:
    """The commands in one block of a page.

    :ivar transcript: its name in the example `slug`.
    :ivar lines: 1-based lines of the commands in the transcript.
    """

    slug: str
    transcript: str
    lines: tuple[int, ...]

    def steps(self, examples: Mapping[str, Example]) -> Transcript:
        """Return the steps of the block.

        :raises KeyError: the example is gone.
        :raises MissingError: the transcript is gone.
        :raises MalformedError: the transcript does not parse.
        """
        whole = examples[self.slug].transcript(self.transcript)
        return Transcript(whole.place, tuple(step for step in whole.steps if step.line in self.lines))


@dataclass(frozen=True)
class Walkthrough:
    """A page whose commands were all typed, without a failure.

    :ivar steps: number of commands.
    :ivar engine: its key, such as ``docker-28.5``.
    :ivar date: ISO date (UTC).
    :ivar digest: see :func:`page_digest`.
    :ivar lacking: features that skipped blocks need and the engine lacks.
    """

    steps: int
    engine: str
    date: str
    digest: str
    lacking: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        store.check_date(self.date)
        if self.steps < 1:
            raise ValueError(f"{self.steps} steps")


def has_order(page: str) -> bool:
    """Whether the page with this docname is meant to be followed from top to bottom.

    Reference pages and lists of misconceptions are looked up: their sections are independent.
    """
    return page.startswith(("tutorials/", "how-to/", "concepts/")) and not page.startswith("concepts/myths/")


def save_steps(folder: Path, steps: Mapping[str, Sequence[PageSteps]]) -> None:
    """Write the commands of each page, by docname, next to the built pages in `folder`."""
    store.save_json(folder / STEPS_FILE, {page: blocks for page, blocks in steps.items() if blocks})


def load_steps(folder: Path) -> dict[str, list[PageSteps]]:
    """Return the commands of each page of the site built in `folder`, by docname.

    :raises MalformedError: no site was built there.
    """
    path = folder / STEPS_FILE
    if not path.is_file():
        raise MalformedError(path, 0, "no site was built there; run: nox -s docs")
    return store.load_json(dict[str, list[PageSteps]], path, path, "run: nox -s docs")


def load_walkthroughs(top: Path = ROOT) -> dict[str, Walkthrough]:
    """Return the walkthrough of each followed page, by docname.

    :raises MalformedError: the file isn't JSON of this form; the message names the command to run.
    """
    path = top / WALKTHROUGHS_FILE
    if not path.is_file():
        return {}
    return store.load_json(dict[str, Walkthrough], path, WALKTHROUGHS_FILE, "delete it and run: nox -s follow")


def save_walkthroughs(followed: Mapping[str, Walkthrough], top: Path = ROOT) -> None:
    """Write the walkthrough of each followed page."""
    store.save_json(top / WALKTHROUGHS_FILE, followed)


def page_digest(blocks: Sequence[PageSteps], examples: Mapping[str, Example]) -> str:
    """Return the sha256 (hex) of the steps that a page shows, and of the files that they use.

    :raises KeyError, MissingError, MalformedError: as :meth:`PageSteps.steps`.
    """
    shown = [
        (block.slug, step.command, step.output, step.status) for block in blocks for step in block.steps(examples).steps
    ]
    digest = hashlib.sha256(json.dumps(shown).encode())
    for slug in sorted({block.slug for block in blocks}):
        for name in examples[slug].files:
            if not name.startswith("transcripts/"):
                data = examples[slug].path(name).read_bytes()
                digest.update(f"{slug}/{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()
