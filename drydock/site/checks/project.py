"""What holds for the site as a whole. It is looked at in every build, also in one that reads no page anew."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model import mutation_scores, walkthroughs
from drydock.model.evidence import DEFAULT_ENGINE, Run
from drydock.model.example import Example
from drydock.site.checks.census import Census, take_census
from drydock.site.pages import all_pages, is_generated
from drydock.site.repository import Repository, get_repository
from drydock.site.warn import Subtype, warn

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

FLOOR = "evidence/floor.json"
#: What the site holds against the floor; its other counts are the tests' business.
COUNTED = ("blocks", "commands")


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Report every example that is malformed, stale or an orphan, and a census below the floor."""
    shown = {block.slug for name, page in all_pages(env).items() if not is_generated(name) for block in page.blocks}
    for example in get_repository(env).examples.values():
        _check_parts(example, get_repository(env))
        if example.slug not in shown:
            message = f"no page shows the example {example.slug}; show a block of it on a page, or delete it"
            warn(Subtype.ORPHAN, message, f"examples/{example.slug}/README.md")
    _check_evidence_of_none(get_repository(env))
    _check_floor(take_census(env), get_repository(env))


def _check_evidence_of_none(known: Repository) -> None:
    """Report evidence of examples that are gone."""
    reports = (walkthroughs.WALKTHROUGHS_FILE, mutation_scores.SCORES_FILE)
    others = {path.name for path in (PurePosixPath(FLOOR), *reports)}
    for place in sorted((known.top / "evidence").glob("*.json")):
        if place.stem not in known.examples and place.name not in others:
            message = (
                f"evidence of an example that there is not{did_you_mean(place.stem, known.examples)}; delete the file"
            )
            warn(Subtype.ORPHAN, message, f"evidence/{place.name}")


def _check_parts(example: Example, known: Repository) -> None:
    """Have everything of `example` parsed, whether or not a page shows it."""
    for look in _looks(example, known):
        try:
            look()
        except MissingError as error:
            warn(Subtype.MISSING, str(error), f"examples/{example.slug}/README.md")
        except MalformedError as error:
            warn(Subtype.MALFORMED, error.problem, f"{error.path}:{error.line}" if error.line else error.path)


def _looks(example: Example, known: Repository) -> Iterator[Callable[[], object]]:
    yield lambda: example.title
    for name in example.transcripts:
        yield partial(example.transcript, name)
    for name in example.files:
        if not re.fullmatch(r"transcripts/[^/]+\.console", name) and _is_text(example, name):
            yield partial(example.regions, name)
    yield partial(_check_evidence, example, known)


def _is_text(example: Example, name: str) -> bool:
    """Say whether the file can be shown; one that cannot is no fault until a page asks for it."""
    try:
        return "\0" not in example.read(name)
    except MalformedError:
        return False


def _check_evidence(example: Example, known: Repository) -> None:
    problem = _stale(known.evidence(example).run, example, known)
    if problem:
        warn(Subtype.STALE, f"{problem}; run: nox -s record -- {example.slug}", f"evidence/{example.slug}.json")


def _stale(run: Run | None, example: Example, known: Repository) -> str:
    if run is None:
        return f"no evidence on {DEFAULT_ENGINE}"
    if run.digest != known.digest(example):
        return f"the example changed since {run.date}, when it was last run"
    unproven = ", ".join(name for name in example.transcripts if name not in run.transcripts)
    if unproven:
        return f"no evidence of the transcripts {unproven}"
    tests = _tests(example) if example.test.is_file() else run.claims
    unknown = ", ".join(name for name in run.claims if name not in tests)
    return f"it names claims that no test has: {unknown}" if unknown else ""


def _tests(example: Example) -> set[str]:
    """Return the names of the tests of `example`, as its test file defines them."""
    return set(re.findall(r"^def (test_\w+)", example.test.read_text(encoding="utf-8"), re.MULTILINE))


def _check_floor(census: Census, known: Repository) -> None:
    place = known.top / FLOOR
    if not place.is_file():
        return
    try:
        floor = json.loads(place.read_text(encoding="utf-8"))
        asked = {kind: int(floor.get(kind, 0)) for kind in COUNTED}
    except (ValueError, TypeError, AttributeError) as error:
        warn(Subtype.MALFORMED, f"not a floor ({error}); it is to be counts by name", FLOOR)
        return
    for kind, least in asked.items():
        found = getattr(census, kind)
        if found < least:
            warn(
                Subtype.UNBOUND, f"{found} {kind}, the floor in {FLOOR} is {least}; {least - found} went missing", FLOOR
            )


def setup(app: Sphinx) -> None:
    """Check the repository when all pages are read."""
    # env-check-consistency is left out of a build that reads no page.
    app.connect("env-updated", check)
