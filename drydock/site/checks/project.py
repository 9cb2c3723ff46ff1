"""What holds for the site as a whole. It is looked at in every build, also in one that reads no page anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model.evidence import DEFAULT_ENGINE, RUNS_FOLDER, Claim, Replayed, Run
from drydock.model.example import Example
from drydock.model.floor import FLOOR_FILE, load_floor
from drydock.model.walkthroughs import load_walkthroughs
from drydock.site.checks.census import Census, take_census
from drydock.site.pages import all_pages, is_generated
from drydock.site.repository import Repository, get_repository
from drydock.site.warn import Subtype, warn

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

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
    _check_reports(take_census(env), get_repository(env))


def _check_evidence_of_none(known: Repository) -> None:
    """Report evidence of examples that are gone."""
    for path in sorted((known.top / RUNS_FOLDER).glob("*.json")):
        if path.stem not in known.examples:
            message = (
                f"evidence of an example that there is not{did_you_mean(path.stem, known.examples)}; delete the file"
            )
            warn(Subtype.ORPHAN, message, f"{RUNS_FOLDER}/{path.name}")


def _check_parts(example: Example, known: Repository) -> None:
    """Have everything of `example` parsed, whether or not a page shows it."""
    for look in _looks(example, known):
        try:
            look()
        except MissingError as error:
            warn(Subtype.MISSING, str(error), f"examples/{example.slug}/README.md")
        except MalformedError as error:
            _warn_malformed(error)


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
    problem = _stale(known.evidence(example).run, example)
    if problem:
        warn(Subtype.STALE, f"{problem}; run: nox -s record -- {example.slug}", f"{RUNS_FOLDER}/{example.slug}.json")


def _stale(run: Run | None, example: Example) -> str:
    if run is None:
        return f"no evidence on {DEFAULT_ENGINE}"
    if run.digest != example.digest():
        return f"the example changed since {run.date}, when it was last run"
    tests = _tests(example) if example.test.is_file() else {*run.claims}
    results: list[tuple[str, Claim | Replayed]] = [*run.claims.items(), *run.transcripts.items()]
    problems = {
        "no evidence of the transcripts": {*example.transcripts} - {*run.transcripts},
        "it names transcripts that the example lacks:": {*run.transcripts} - {*example.transcripts},
        "it names claims that no test has:": {*run.claims} - tests,
        "it records failures:": {name for name, result in results if result.outcome == "failed"},
    }
    return next((f"{problem} {', '.join(sorted(names))}" for problem, names in problems.items() if names), "")


def _tests(example: Example) -> set[str]:
    """Return the names of the tests of `example`, as its test file defines them."""
    return set(re.findall(r"^def (test_\w+)", example.test.read_text(encoding="utf-8"), re.MULTILINE))


def _check_reports(census: Census, known: Repository) -> None:
    """Report a census below the floor, and reports that don't parse."""
    try:
        for message in load_floor(known.top).find_shortfalls({kind: getattr(census, kind) for kind in COUNTED}):
            warn(Subtype.UNBOUND, message, str(FLOOR_FILE))
    except MalformedError as error:
        _warn_malformed(error)
    try:
        load_walkthroughs(known.top)
    except MalformedError as error:
        _warn_malformed(error)


def _warn_malformed(error: MalformedError) -> None:
    warn(Subtype.MALFORMED, error.problem, f"{error.path}:{error.line}" if error.line else error.path)


def setup(app: Sphinx) -> None:
    """Check the repository when all pages are read."""
    # env-check-consistency is left out of a build that reads no page.
    app.connect("env-updated", check)
