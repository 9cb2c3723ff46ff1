"""Checks of the whole site. They run in every build, incremental ones included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from drydock import store
from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model.evidence import DEFAULT_ENGINE, RUNS_FOLDER, Claim, Replayed, Run
from drydock.model.example import Example
from drydock.model.floor import FLOOR_FILE, load_floor
from drydock.model.walkthroughs import load_walkthroughs
from drydock.site.checks.census import Census, take_census
from drydock.site.pages import all_pages, is_generated
from drydock.site.repository import Repository, get_repository
from drydock.site.warn import Subtype, warn

#: The counts that the site checks; the tests check the others in the file.
COUNTED = ("blocks", "commands")


def check_project(app: Sphinx, env: BuildEnvironment) -> None:
    """Report every example that is malformed, stale or an orphan, malformed reports, and a census below the floor."""
    repository = get_repository(env)
    shown = {block.slug for name, page in all_pages(env).items() if not is_generated(name) for block in page.blocks}
    for example in repository.examples.values():
        _report(_parts(example, repository), f"examples/{example.slug}/README.md")
        if example.slug not in shown:
            message = f"no page shows the example {example.slug}; show a block of it on a page, or delete it"
            warn(Subtype.ORPHAN, message, f"examples/{example.slug}/README.md")
    _check_orphaned_evidence(repository)
    floor = partial(_check_floor, take_census(env), repository)
    _report([partial(load_walkthroughs, repository.top), floor], "evidence")


def _check_orphaned_evidence(repository: Repository) -> None:
    """Report evidence of examples that are gone."""
    for path in sorted((repository.top / RUNS_FOLDER).glob("*.json")):
        if path.stem not in repository.examples:
            near = did_you_mean(path.stem, repository.examples)
            message = f"evidence of an example that there is not{near}; delete the file"
            warn(Subtype.ORPHAN, message, f"{RUNS_FOLDER}/{path.name}")


def _report(checks: Iterable[Callable[[], object]], location: str) -> None:
    """Run the checks, and report the error of each: a malformed file where it is, a missing one at the location."""
    for run_check in checks:
        try:
            run_check()
        except MissingError as error:
            warn(Subtype.MISSING, str(error), location)
        except MalformedError as error:
            warn(Subtype.MALFORMED, error.problem, f"{error.path}:{error.line}" if error.line else error.path)


def _parts(example: Example, repository: Repository) -> Iterator[Callable[[], object]]:
    """Yield what parses each part of `example`, whether or not a page shows it."""
    yield lambda: example.title
    for name in example.transcripts:
        yield partial(example.transcript, name)
    for name in example.files:
        if not re.fullmatch(r"transcripts/[^/]+\.console", name) and _is_text(example, name):
            yield partial(example.regions, name)
    yield partial(_check_evidence, example, repository)


def _is_text(example: Example, name: str) -> bool:
    """Whether the file can be shown. A file that can't is no fault until a page shows it."""
    try:
        return "\0" not in example.read(name)
    except MalformedError:
        return False


def _check_evidence(example: Example, repository: Repository) -> None:
    problem = _stale_because(repository.evidence(example).run, example)
    if problem:
        warn(Subtype.STALE, f"{problem}; run: nox -s record -- {example.slug}", f"{RUNS_FOLDER}/{example.slug}.json")


def _stale_because(run: Run | None, example: Example) -> str:
    if run is None:
        return f"no evidence on {DEFAULT_ENGINE}"
    if run.digest != example.digest():
        return f"the example changed since {run.date}, when it was last run"
    tests = _test_names(example) if example.test.is_file() else {*run.claims}
    results: list[tuple[str, Claim | Replayed]] = [*run.claims.items(), *run.transcripts.items()]
    problems = {
        "no evidence of the transcripts": {*example.transcripts} - {*run.transcripts},
        "it names transcripts that the example lacks:": {*run.transcripts} - {*example.transcripts},
        "it names claims that no test has:": {*run.claims} - tests,
        "it records failures:": {name for name, result in results if result.outcome == "failed"},
    }
    return next((f"{problem} {', '.join(sorted(names))}" for problem, names in problems.items() if names), "")


def _test_names(example: Example) -> set[str]:
    source = store.read_text(example.test, f"tests/examples/{example.test.name}")
    return set(re.findall(r"^def (test_\w+)", source, re.MULTILINE))


def _check_floor(census: Census, repository: Repository) -> None:
    """Report the counts of the census that are below the floor.

    :raises MalformedError: the file of the floor isn't counts by name.
    """
    counts = {kind: getattr(census, kind) for kind in COUNTED}
    for message in load_floor(repository.top).find_shortfalls(counts):
        warn(Subtype.UNBOUND, message, str(FLOOR_FILE))


def setup(app: Sphinx) -> None:
    """Check the project when all pages are read."""
    # env-check-consistency is left out of a build that reads no page.
    app.connect("env-updated", check_project)
