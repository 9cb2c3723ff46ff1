"""Followed: which pages were typed from top to bottom, as the site shows it. ``follow`` types them."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT
from drydock.errors import MalformedError
from drydock.model.example import Example
from drydock.model.transcript import Transcript

#: Beside the pages of a built site: what each of them has a reader type.
STEPS_FILE = "drydock-steps.json"
#: Written by ``nox -s follow``; read by the site.
RESULTS = Path("evidence/followed.json")


@dataclass(frozen=True)
class PageSteps:
    """What a block of a page has a reader type.

    :ivar transcript: its name in the example `slug`.
    :ivar lines: 1-based lines of the transcript at which the commands stand.
    """

    slug: str
    transcript: str
    lines: tuple[int, ...]

    def steps(self, examples: Mapping[str, Example]) -> Transcript:
        """Return the steps.

        :raises KeyError: there is no such example any more.
        :raises MissingError: there is no such transcript any more.
        :raises MalformedError: it does not parse.
        """
        whole = examples[self.slug].transcript(self.transcript)
        return Transcript(whole.place, tuple(step for step in whole.steps if step.line in self.lines))


@dataclass(frozen=True)
class Walkthrough:
    """That a page was followed to its end.

    :ivar steps: how many commands were typed.
    :ivar engine: its key, such as ``docker-28.5``.
    :ivar date: ISO date (UTC).
    :ivar digest: of what was typed and shown, and of the examples' files: see :func:`page_digest`.
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


def save_steps(folder: Path, typed: Mapping[str, Sequence[PageSteps]]) -> None:
    """Write beside the pages in `folder` what each of them has a reader type, by docname."""
    pages = {name: [dataclasses.asdict(block) for block in blocks] for name, blocks in typed.items() if blocks}
    (folder / STEPS_FILE).write_text(json.dumps(pages, indent=1) + "\n", encoding="utf-8")


def load_steps(folder: Path) -> dict[str, list[PageSteps]]:
    """Return what each page of the site built in `folder` has a reader type, by docname.

    :raises MalformedError: no site was built there.
    """
    try:
        pages = json.loads((folder / STEPS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MalformedError(folder / STEPS_FILE, 0, f"no site was built there ({error}); run: nox -s docs") from error
    return {
        name: [PageSteps(block["slug"], block["transcript"], tuple(block["lines"])) for block in blocks]
        for name, blocks in pages.items()
    }


def load_walkthroughs(top: Path = ROOT) -> dict[str, Walkthrough]:
    """Return which pages were followed to their ends, by docname.

    :raises MalformedError: the file is not what :func:`save_walkthroughs` writes.
    """
    place = top / RESULTS
    if not place.is_file():
        return {}
    try:
        return {name: _checked(**fields) for name, fields in json.loads(place.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(RESULTS, 0, f"no list of pages ({error}); delete it and run: nox -s follow") from error


def _checked(steps: int, engine: str, date: str, digest: str, lacking: Sequence[str] = ()) -> Walkthrough:
    datetime.date.fromisoformat(date)
    texts = [engine, digest, *lacking]
    if type(steps) is not int or steps < 1 or not all(type(text) is str for text in texts):
        raise ValueError(f"odd: {steps} {texts}")
    return Walkthrough(steps, engine, date, digest, tuple(lacking))


def save_walkthroughs(followed: Mapping[str, Walkthrough], top: Path = ROOT) -> None:
    """Write which pages were followed to their ends."""
    data = {name: dataclasses.asdict(each) for name, each in followed.items()}
    (top / RESULTS).write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def page_digest(typed: Sequence[PageSteps], examples: Mapping[str, Example]) -> str:
    """Return the sha256 (hex) of the steps that a page shows, and of the files that they work on.

    :raises KeyError, MissingError, MalformedError: as :meth:`PageSteps.steps`.
    """
    shown = [
        (block.slug, step.command, step.output, step.status) for block in typed for step in block.steps(examples).steps
    ]
    whole = hashlib.sha256(json.dumps(shown).encode())
    for slug in sorted({block.slug for block in typed}):
        for name in examples[slug].files:
            if not name.startswith("transcripts/"):
                data = examples[slug].path(name).read_bytes()
                whole.update(f"{slug}/{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return whole.hexdigest()
