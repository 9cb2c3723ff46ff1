"""The pytest plugin for tests on an engine: selects tests, cleans up after them, and saves their results."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Collection, Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drydock import ROOT, host
from drydock.engine import choose, resources
from drydock.engine.client import Engine
from drydock.engine.private.specs import ENGINE_SPECS
from drydock.engine.resources import Resource
from drydock.errors import DrydockError, EngineError, ReplayError
from drydock.model import example as examples, known_failures
from drydock.replay import replay, reservations
from drydock.testing import history, passed, results
from drydock.testing.history import RunRecord
from drydock.testing.passed import Passed
from drydock.testing.results import Result

#: Folders under tests/ whose tests need an engine.
ON_ENGINE = ("examples", "bases", "harness", "pages")
#: Exit statuses of a run that wasn't ended early.
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
#: The environment variable that names for the workers the units to skip.
PASSED = "DRYDOCK_PASSED"


@dataclass
class Session:
    """The state of a run of the tests.

    :ivar run: its ID, which is in the names of all that it makes.
    :ivar volumes: the anonymous volumes that were on the private engine before it.
    :ivar results: by test ID; complete in the process that controls the workers.
    :ivar workers: the workers that ran the tests of each example.
    :ivar passed: the units that an earlier run has passed, which this run skips.
    :ivar digests: the sha256 of all that the tests of a unit depend on, by unit; taken at the start, because files may
        be edited, and are recorded, during a run.
    :ivar gone: whether the engine went away during the run, so that failures say nothing about the tests.
    """

    engine: Engine
    run: str
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    volumes: set[str] = field(default_factory=set)
    results: dict[str, Result] = field(default_factory=dict)
    workers: dict[str, set[str]] = field(default_factory=dict)
    passed: dict[str, Passed] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    gone: bool = False

    @property
    def lock(self) -> Path:
        """The file that this run locks while it lives. What is left of a dead run is recognized by it."""
        return locks_folder(self.engine) / f"{self.run}.run"


SESSION = pytest.StashKey[Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add Drydock's options."""
    group = parser.getgroup("drydock")
    group.addoption("--on-engine", action="store_true", help="run the tests that need an engine, and no others")
    group.addoption(
        "--engine", choices=sorted(ENGINE_SPECS), default="", help="run on this private engine; implies --on-engine"
    )
    group.addoption(
        "--example",
        action="append",
        default=[],
        metavar="SLUG",
        help="run only this example's tests (repeatable)",
    )
    group.addoption("--unproven", action="store_true", help="skip what passed on this engine and is unchanged")
    group.addoption("--record", action="store_true", help="rewrite transcripts and evidence from this run")
    group.addoption(
        "--accept-failures", action="store_true", help="with --record: also steps whose exit status changed"
    )
    group.addoption("--results", metavar="FILE", help="write the result of each test to this JSON file")
    group.addoption("--shuffle-within", action="store_true", help="with --random-order: also within files")
    group.addoption("--no-history", action="store_true", help="keep this run out of the history")
    group.addoption("--keep", action="store_true", help="keep what a failing test made, and print how to enter it")


def pytest_configure(config: pytest.Config) -> None:
    """Find the engine, or start it, and remove what dead runs left on it."""
    if config.getoption("--engine"):
        config.option.on_engine = True
    if not config.getoption("--on-engine"):
        return
    try:
        examples.pick_examples(config.getoption("--example"), examples.load_examples())
        # The workers meet the engine that their controller started.
        engine = choose.get_engine("" if _is_worker(config) else config.getoption("--engine"))
        _point_at(engine)
        session = Session(engine, os.environ.get("DRYDOCK_RUN") or host.new_run_id())
        config.stash[SESSION] = session
        if not _is_worker(config):
            _start_run(session)
            _skip_passed(session, config)
            if not _selects_tests(config) and engine.facts["name"] != "Podman":  # there no transcript runs
                slugs = config.getoption("--example") or examples.load_examples().keys() - session.passed.keys()
                make_room(engine, slugs)
            if not config.getoption("--no-history"):
                with contextlib.suppress(OSError):  # a copy of the repository lacks files that units depend on
                    session.digests = passed.unit_digests(engine, config.getoption("--example") or _all_units())
            config.pluginmanager.register(_Collector(session))
    except DrydockError as error:
        raise pytest.UsageError(str(error)) from error


def _all_units() -> list[str]:
    return [*examples.load_examples(), *(folder for folder in ON_ENGINE if folder != "examples")]


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _point_at(engine: Engine) -> None:
    """Make testcontainers and pytest-docker, and the workers, meet the same engine."""
    for name in ("DOCKER_CONTEXT", "COMPOSE_PROJECT_NAME", "COMPOSE_FILE"):
        os.environ.pop(name, None)
    os.environ.update(engine.client, TESTCONTAINERS_RYUK_DISABLED="true", TC_POOLING_INTERVAL="0.05")


def _start_run(session: Session) -> None:
    os.environ["DRYDOCK_RUN"] = session.run
    session.stack.callback(os.environ.pop, "DRYDOCK_RUN", None)
    leftovers = resources.remove_leftovers(session.engine, locks_folder(session.engine))
    session.stack.enter_context(host.file_lock(session.lock))
    if session.engine.private:
        session.volumes = resources.dangling_volumes(session.engine)
        if not resources.other_run_active(session.lock):
            # Rebuilding a tag leaves a dangling image; with hundreds of them, listing images gets slow.
            resources.prune_images(session.engine)
    if leftovers:
        host.print_status(f"removed what an earlier run left behind: {', '.join(map(str, leftovers))}")


def _skip_passed(session: Session, config: pytest.Config) -> None:
    """With ``--unproven``, find the units to skip, and name them for the workers, which must collect the same tests."""
    os.environ.pop(PASSED, None)
    if config.getoption("--unproven") and not _is_partial(config):
        session.passed = passed.still_passed(session.engine, _all_units())
        os.environ[PASSED] = " ".join(session.passed)
        session.stack.callback(os.environ.pop, PASSED, None)


def make_room(engine: Engine, slugs: Collection[str]) -> None:
    """Free the names that these examples' transcripts use. Somebody may have followed their pages.

    Nothing is removed from the user's own engine. On the private engine, images are removed because the examples can
    rebuild them; containers, networks and volumes are reported.

    :raises ReplayError: a name is in use; the message has the command that frees it.
    """
    conflicts = reservations.find_conflicts(engine, locks_folder(engine), slugs)
    images = [resource for resource in conflicts if resource.kind == "image" and engine.private]
    remaining = [resource for resource in conflicts if resource not in images]
    remaining = remaining or resources.remove_resources(engine, images)
    if remaining:
        raise ReplayError(reservations.conflict_message(remaining))
    if images:
        names = ", ".join(image.name for image in images)
        host.print_status(f"removed from the private engine, because transcripts build these images: {names}")


def locks_folder(engine: Engine) -> Path:
    """Return the folder of the lock files of this engine's runs and reserved names."""
    return host.cache_folder() / "locks" / "".join(c if c.isalnum() else "-" for c in engine.facts["id"])


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the engine and the base images."""
    session = config.stash.get(SESSION, None)
    return [f"engine: {session.engine}"] if session else []


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect either the tests that need an engine or the others."""
    parts = collection_path.relative_to(ROOT).parts if collection_path.is_relative_to(ROOT) else ()
    if len(parts) < 2 or parts[0] != "tests":
        return None
    return True if (parts[1] in ON_ENGINE) != config.getoption("--on-engine") else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep the tests of an example on one worker: claims share what they build, and a build's output differs while
    another build shares its steps.

    (`pytest_collection_modifyitems` is too late for this: xdist reads the marks before.)
    """
    slug = slug_of(item)
    if slug and item.config.getoption("--on-engine"):
        item.add_marker(pytest.mark.xdist_group(slug))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select the tests of ``--example``, or of the units that haven't passed, and mark known failures."""
    if not config.getoption("--on-engine"):
        return
    known = known_failures.failures_on(config.stash[SESSION].engine.key)
    # The tests of some files depend on each other's order.
    ordered = config.getoption("random_order_enabled", False) and not config.getoption("--shuffle-within")
    selected: list[pytest.Item] = []
    deselected: list[pytest.Item] = []
    for item in items:
        slug = slug_of(item)
        if slug and not _sentence(item):
            raise pytest.UsageError(
                f"{item.nodeid} has no docstring: write the claim as one sentence, which the site prints"
            )
        (selected if _is_selected(item, config) else deselected).append(item)
        if ordered:
            item.add_marker(pytest.mark.random_order(disabled=True))
        expect_failure(item, known.get(f"{slug}::{claim_name(item)}"))
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = selected


def _is_selected(item: pytest.Item, config: pytest.Config) -> bool:
    slugs = config.getoption("--example")
    if slugs:
        return slug_of(item) in slugs
    # A harness test that is parametrized with a slug belongs to the harness.
    unit = slug_of(item) if item.path.parent.name == "examples" else item.nodeid.split("/")[1]
    return unit not in os.environ.get(PASSED, "").split()


def claim_name(item: pytest.Item) -> str:
    """Return the test's name in the list of known failures: its function, or ``transcripts/NAME``."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    transcript = item.path.stem == "test_transcripts" and "name" in parameters
    return f"transcripts/{parameters['name']}" if transcript else str(getattr(item, "originalname", item.name))


def expect_failure(item: pytest.Item, difference: known_failures.KnownFailure | None) -> None:
    """Mark the test as a known failure: if it passes, the run fails. Skip a test that passes by chance."""
    if difference and difference.flaky:
        item.add_marker(pytest.mark.skip(reason=difference.reason))
    elif difference:
        item.add_marker(pytest.mark.xfail(reason=difference.reason, strict=True))


def slug_of(item: pytest.Item) -> str | None:
    """Return the slug of the example that the test belongs to or is parametrized with, or None."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "slug" in parameters:
        return str(parameters["slug"])
    if item.path.parent.name != "examples":
        return None
    return item.path.stem.removeprefix("test_").replace("_", "-")


def _sentence(item: pytest.Item) -> str:
    return " ".join((getattr(item.obj, "__doc__", None) or "").split()) if isinstance(item, pytest.Function) else ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Add to an example's test the facts that travel with its reports from a worker to the controller."""
    slug = slug_of(item)
    if slug and item.path.parent.name == "examples" and item.config.stash.get(SESSION, None):
        kind = "transcript" if item.path.stem == "test_transcripts" else "claim"
        name = item.callspec.params["name"] if kind == "transcript" else item.name.partition("@")[0]  # type: ignore[attr-defined]
        facts: dict[str, Any] = {"unit": slug, "kind": kind, "name": name, "sentence": _sentence(item)}
        item.user_properties.append(("drydock", {**facts, "steps": [], "measures": {}, "tables": {}}))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failure the state of its containers, and end the run if the engine is gone."""
    report = yield
    session = item.config.stash.get(SESSION, None)
    if session is not None and report.failed:
        lines = replay.container_report(session.engine, f"{slug_of(item) or 'bases'}-t{session.run}")
        if item.config.getoption("--keep") and "folder" in getattr(item, "funcargs", {}):
            lines += replay.keep_hint(session.engine, item.funcargs["folder"])  # type: ignore[attr-defined]
        if lines:
            report.sections.append(("containers", "\n".join(lines)))
        try:
            resources.list_resources(session.engine)
        except EngineError:
            item.session.shouldfail = f"the engine is gone: {session.engine}"
    return report


class _Collector:
    """Collects the results of all tests, in the process that controls the workers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a phase to its test's result: setup, call, or teardown."""
        phase = results.read_report(report)
        self._session.results[phase.test] = results.merge_phases(self._session.results.get(phase.test), phase)
        if phase.kind:
            self._session.workers.setdefault(phase.unit, set()).add(getattr(report, "worker_id", ""))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what the run left behind, and save its results: in the history, as evidence, for later runs."""
    run = session.config.stash.get(SESSION, None)
    if run is None or _is_worker(session.config):
        return
    with run.stack:
        problems = _remove_leftovers(run, session.config)
    _save_history(run, session.config, problems)
    split = [slug for slug, workers in run.workers.items() if len(workers) > 1]
    problems += [f"the tests of {slug} ran on several workers: use --dist loadgroup" for slug in split]
    _write_results(run, session.config)
    ended = session.exitstatus in ENDED and not session.shouldfail and not session.shouldstop
    if session.config.getoption("--record"):
        problems += _record_evidence(run, session.config, ended=ended, clean=not problems)
    elif ended and not _is_partial(session.config):
        earlier = [result for unit in run.passed.values() for result in unit.results]
        problems += results.below_floor(results.count_results([*run.results.values(), *earlier]))
    if ended and not _selects_tests(session.config):
        _save_passed(run, session.config, clean=not problems)
    _report_skipped(run.passed)
    for line in problems:
        host.print_status(line)
    if problems and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif run.passed and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _remove_leftovers(session: Session, config: pytest.Config) -> list[str]:
    """Remove what the run left on the engine, and return a message for each of it."""
    if config.getoption("--keep"):
        session.lock.unlink(missing_ok=True)
        return []
    try:
        left = [resource for resource in resources.list_resources(session.engine) if resource.run == session.run]
        if session.engine.private and not resources.other_run_active(session.lock):
            volumes = resources.dangling_volumes(session.engine) - session.volumes
            left += [Resource("volume", f"{name[:12]} (anonymous)", name) for name in sorted(volumes)]
        resources.remove_resources(session.engine, left)
    except EngineError as error:
        session.gone = True
        return [f"{error}\nthe next run on this engine removes what this run left behind"]
    session.lock.unlink(missing_ok=True)
    return [f"left behind, and removed now: {resource}" for resource in left]


def _save_history(session: Session, config: pytest.Config, left: list[str]) -> None:
    if config.getoption("--no-history") or session.gone or not session.results:
        return
    units = {result.unit for result in session.results.values()}
    run = RunRecord(
        run=session.run,
        engine=session.engine.key,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        digests={unit: digest for unit, digest in session.digests.items() if unit in units},
        results=tuple(map(results.without_evidence, session.results.values())),
        left=tuple(left),
        recording=config.getoption("--record"),
    )
    try:
        history.save_run(run)
    except OSError as error:
        host.print_status(f"this run is not in the history: {error}")


def _write_results(session: Session, config: pytest.Config) -> None:
    if config.getoption("--results"):
        claims = [asdict(result) for result in session.results.values() if result.kind]
        Path(config.getoption("--results")).write_text(json.dumps(claims, indent=1), encoding="utf-8")


def _record_evidence(session: Session, config: pytest.Config, *, ended: bool, clean: bool) -> list[str]:
    """Write evidence and, after a whole run without a problem, the floor. Return problems."""
    if _selects_tests(config) or not ended:
        if session.results:
            why = "the run ended early" if not ended else "only some tests of an example were asked for"
            host.print_status(f"no evidence written: {why}")
        return []
    done, problems = results.write_evidence(session.engine, session.results.values())
    if clean and not problems and not _is_partial(config):
        results.raise_floor()
    for line in done:
        host.print_status(line)
    return problems


def _save_passed(session: Session, config: pytest.Config, *, clean: bool) -> None:
    """Save the units that passed, for later runs to skip. If the run left something behind, none passed: which test
    left it is unknown.
    """
    units = results.group_units(session.results.values())
    failed = {unit for unit, group in units.items() if not (clean and all(map(_may_skip, group)))}
    # With --example, of the other units only some tests ran.
    complete = units.keys() & set(config.getoption("--example") or units)
    try:
        passed.save_passed(session.engine, {unit: units[unit] for unit in complete - failed}, failed)
    except OSError as error:
        host.print_status(f"the next run will run all of this again: {error}")


def _may_skip(result: Result) -> bool:
    """Return whether a later run may skip the test: it passed, or says why it was skipped."""
    return result.outcome == "passed" or (result.outcome == "skipped" and bool(result.reason))


def _report_skipped(units: Mapping[str, Passed]) -> None:
    """Print the units that this run skipped because they passed, and again what was skipped then."""
    for name, unit in units.items():
        host.print_status(f"{name}: passed {unit.age_text()} ago on this engine, unchanged since")
        for result in sorted(unit.results, key=lambda result: result.test):
            if result.outcome == "skipped":
                host.print_status(f"  but not {result.test}: {result.reason}")
    if units:
        host.print_status("to run these again: nox -s examples -- --all")


def _is_partial(config: pytest.Config) -> bool:
    return bool(config.getoption("--example")) or _selects_tests(config)


def _selects_tests(config: pytest.Config) -> bool:
    """Return whether single tests were asked for, so that some tests of an example may be left out."""
    chosen = any(config.getoption(name) for name in ("keyword", "markexpr", "collectonly"))
    return chosen or any("::" in argument or argument.endswith(".py") for argument in config.args)
