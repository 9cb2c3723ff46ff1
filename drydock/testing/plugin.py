"""The pytest plugin for tests on an engine: selects tests, cleans up after them, and saves their results."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drydock import ROOT, host
from drydock.engine import base_images, choose, resources
from drydock.engine.client import Engine
from drydock.engine.private.specs import ENGINE_SPECS
from drydock.engine.resources import Resource
from drydock.errors import DrydockError, EngineError, UnfitEngineError
from drydock.model import example as examples, known_failures
from drydock.replay import replay, reservations
from drydock.testing import history, passed, results, verdict
from drydock.testing.history import RunRecord
from drydock.testing.passed import Passed
from drydock.testing.results import Result
from drydock.testing.verdict import Differences

#: Folders under tests/ whose tests need an engine.
ON_ENGINE = ("examples", "bases", "harness", "pages")
#: Exit statuses of a run that wasn't ended early.
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
#: The environment variable that names for the workers the units to skip.
PASSED = "DRYDOCK_PASSED"


@dataclass(eq=False)  # pluggy keeps plugins in sets
class Session:
    """The state of a run of the tests.

    :ivar run: its ID, which is in the names of all that it makes.
    :ivar volumes: the anonymous volumes that were on the private engine before it.
    :ivar results: by test ID; complete in the process that controls the workers.
    :ivar workers: the workers that ran the tests of each example.
    :ivar passed: the units that an earlier run has passed, which this run skips.
    :ivar digests: the sha256 of all that the tests of a unit depend on, by unit; taken at the start, because files may
        be edited, and are recorded, during a run.
    :ivar unrecorded: lines about what was never recorded about the engine. If there are any, the run ends with a
        verdict, and what is known to fail may hold.
    :ivar differences: how tests failed.
    :ivar pulled: the examples whose base images the engine has.
    :ivar gone: whether the engine went away during the run, so that failures say nothing about the tests.
    """

    config: pytest.Config
    engine: Engine
    run: str
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    volumes: set[str] = field(default_factory=set)
    results: dict[str, Result] = field(default_factory=dict)
    workers: dict[str, set[str]] = field(default_factory=dict)
    passed: dict[str, Passed] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    unrecorded: list[str] = field(default_factory=list)
    differences: Differences = field(default_factory=Differences)
    pulled: set[str] = field(default_factory=set)
    gone: bool = False

    @property
    def lock(self) -> Path:
        """The file that this run locks while it lives. What is left of a dead run is recognized by it."""
        return resources.locks_folder(self.engine) / f"{self.run}.run"

    @property
    def selects_tests(self) -> bool:
        """Whether single tests were asked for, so that some tests of an example may be missing."""
        options = any(self.config.getoption(name) for name in ("keyword", "markexpr", "collectonly"))
        return options or any("::" in argument or argument.endswith(".py") for argument in self.config.args)

    @property
    def partial(self) -> bool:
        """Whether only some of all tests were asked for."""
        return bool(self.config.getoption("--example")) or self.selects_tests

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a phase to its test's result: setup, call, or teardown. (This is a plugin of the controller.)"""
        phase = results.read_report(report)
        self.results[phase.test] = results.merge_phases(self.results.get(phase.test), phase)
        if report.failed:
            self.differences.add(phase.test, report)
        if phase.kind:
            self.workers.setdefault(phase.unit, set()).add(getattr(report, "worker_id", ""))


SESSION = pytest.StashKey[Session]()
FLAGS = {
    "--on-engine": "run the tests that need an engine, and no others",
    "--unproven": "skip what passed on this engine and is unchanged",
    "--record": "rewrite transcripts and evidence from this run",
    "--accept-failures": "with --record: record also steps whose exit status changed",
    "--shuffle-within": "with --random-order: shuffle also the tests of each file",
    "--no-history": "keep this run out of the history",
    "--vary-bases": "use base images changed in the ways official ones differ from stand-ins; implies --on-engine",
    "--keep": "keep what a failing test made, and print how to enter it",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add Drydock's options."""
    group = parser.getgroup("drydock")
    group.addoption("--engine", choices=sorted(ENGINE_SPECS), default="", help="use this engine; implies --on-engine")
    group.addoption(
        "--engine-programs",
        metavar="FOLDER",
        default="",
        help="use a private engine with Docker's programs from this folder; implies --on-engine",
    )
    group.addoption("--example", action="append", default=[], metavar="SLUG", help="run only tests of this example")
    group.addoption("--results", metavar="FILE", help="write the result of each test to this JSON file")
    for name, text in FLAGS.items():
        group.addoption(name, action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Find the engine, or start it, and remove what dead runs left on it."""
    chosen = config.getoption("--engine"), config.getoption("--engine-programs")
    varied = config.getoption("--vary-bases")
    if any(chosen) or varied:
        config.option.on_engine = True
    if all(chosen):
        raise pytest.UsageError("give --engine or --engine-programs, not both")
    if varied and config.getoption("--record"):
        raise pytest.UsageError("with --vary-bases nothing is recorded: run it without --record")
    if varied:  # what passes or fails on variations is no result of the engine
        config.option.no_history, config.option.unproven = True, False
    if not config.getoption("--on-engine"):
        return
    try:
        examples.pick_examples(config.getoption("--example"), examples.load_examples())
        # The workers use the engine that their controller started.
        engine = choose.get_engine() if _is_worker(config) else choose.get_engine(*chosen, varied=varied)
        _point_at(engine)
        config.stash[SESSION] = run = Session(config, engine, os.environ.get("DRYDOCK_RUN") or host.new_run_id())
        run.unrecorded = verdict.list_unrecorded(engine.facts, verdict.recorded_facts())
        if not _is_worker(config):
            _start_run(run)
            _read_saved(run)
            if not run.selects_tests and engine.facts["name"] != "Podman":  # there no transcript runs
                slugs = config.getoption("--example") or examples.load_examples().keys() - run.passed.keys()
                reservations.free_names(engine, resources.locks_folder(engine), slugs)
            config.pluginmanager.register(run)
    except DrydockError as error:
        raise pytest.UsageError(str(error)) from error


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _point_at(engine: Engine) -> None:
    """Make testcontainers, pytest-docker, and the workers use the same engine."""
    # Python's clients check a certificate of the engine against this bundle instead of its own authority.
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if "DOCKER_CERT_PATH" in engine.client else ()
    for name in ("DOCKER_CONTEXT", "COMPOSE_PROJECT_NAME", "COMPOSE_FILE", *bundles):
        os.environ.pop(name, None)
    os.environ.update(engine.client, TESTCONTAINERS_RYUK_DISABLED="true", TC_POOLING_INTERVAL="0.05")


def _start_run(run: Session) -> None:
    os.environ["DRYDOCK_RUN"] = run.run
    run.stack.callback(os.environ.pop, "DRYDOCK_RUN", None)
    leftovers = resources.remove_leftovers(run.engine, resources.locks_folder(run.engine))
    run.stack.enter_context(host.file_lock(run.lock))
    if run.engine.private:
        run.volumes = resources.dangling_volumes(run.engine)
        if not resources.other_run_active(run.lock):
            # Rebuilding a tag leaves a dangling image; with hundreds of them, listing images gets slow.
            resources.prune_images(run.engine)
    if leftovers:
        host.print_status(f"removed what an earlier run left behind: {', '.join(map(str, leftovers))}")


def _read_saved(run: Session) -> None:
    """Take the digests of all units and, with ``--unproven``, find those to skip."""
    units = [*examples.load_examples(), *(folder for folder in ON_ENGINE if folder != "examples")]
    os.environ.pop(PASSED, None)
    if run.config.getoption("--unproven") and not run.partial:
        run.passed = passed.still_passed(run.engine, units)
        os.environ[PASSED] = " ".join(run.passed)  # the workers must collect the same tests
        run.stack.callback(os.environ.pop, PASSED, None)
    if not run.config.getoption("--no-history"):
        with contextlib.suppress(OSError):  # a copy of the repository lacks files that units depend on
            run.digests = passed.unit_digests(run.engine, run.config.getoption("--example") or units)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the engine and the base images, and what was never recorded about the engine."""
    session = config.stash.get(SESSION, None)
    if session is None:
        return []
    note = ["never recorded about this engine; the run ends with a verdict, and fails only for unknown differences:"]
    lines = [*note, *(f"  {line}" for line in session.unrecorded)] if session.unrecorded else []
    varied = ", varied" if config.getoption("--vary-bases") else ""
    return [f"engine: {session.engine}{varied}", *lines]


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
    run = config.stash[SESSION]
    failures = known_failures.failures_on(run.engine.facts)
    # Evidence and the lists have to agree, so recording is strict on every engine.
    strict = config.getoption("--record") or not run.unrecorded
    # In some files, a test depends on an earlier one.
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
        expect_failure(item, failures.get(f"{slug}::{claim_name(item)}"), strict=strict)
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


def expect_failure(item: pytest.Item, failure: known_failures.KnownFailure | None, *, strict: bool = True) -> None:
    """Mark the test as a known failure: if `strict` and it passes, the run fails. Skip a test that passes by chance."""
    if failure and failure.flaky:
        item.add_marker(pytest.mark.skip(reason=failure.reason))
    elif failure:
        item.add_marker(pytest.mark.xfail(reason=failure.reason, strict=strict))


def slug_of(item: pytest.Item) -> str | None:
    """Return the slug of the example that the test belongs to or is parametrized with, or None."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "slug" in parameters:
        return str(parameters["slug"])
    return file_slug(item.path) if item.path.parent.name == "examples" else None


def file_slug(path: Path) -> str:
    """Return the slug of the example that the test file is named after."""
    return path.stem.removeprefix("test_").replace("_", "-")


def _sentence(item: pytest.Item) -> str:
    return " ".join((getattr(item.obj, "__doc__", None) or "").split()) if isinstance(item, pytest.Function) else ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Add to an example's test the facts that travel with its reports from a worker to the controller."""
    slug, run = slug_of(item), item.config.stash.get(SESSION, None)
    if slug and item.path.parent.name == "examples" and run:
        _pull_base_images(item, slug, run)
        kind = "transcript" if item.path.stem == "test_transcripts" else "claim"
        name = item.callspec.params["name"] if kind == "transcript" else item.name.partition("@")[0]  # type: ignore[attr-defined]
        facts: dict[str, Any] = {"unit": slug, "kind": kind, "name": name, "sentence": _sentence(item)}
        item.user_properties.append(("drydock", {**facts, "steps": [], "measures": {}, "tables": {}}))


def _pull_base_images(item: pytest.Item, slug: str, run: Session) -> None:
    if slug not in run.pulled:
        run.pulled.add(slug)
        try:
            base_images.pull_base_images(run.engine, examples.load_examples()[slug])
        except UnfitEngineError as error:
            item.session.shouldfail = str(error)
            pytest.fail(str(error), pytrace=False)


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
            if "no space left on device" in report.longreprtext and resources.is_disk_full(session.engine):
                item.session.shouldfail = f"{resources.DISK_FULL}: {session.engine}"
        except EngineError:
            item.session.shouldfail = f"the engine is gone: {session.engine}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what the run left behind, and save its results: in the history, as evidence, for later runs."""
    run = session.config.stash.get(SESSION, None)
    if run is None or _is_worker(session.config):
        return
    with run.stack:
        problems = _remove_leftovers(run)
    _save_history(run, problems)
    ended = session.exitstatus in ENDED and not session.shouldfail and not session.shouldstop
    problems += _split_examples(run)
    problems += _save_results(run, ended=ended, clean=not problems)
    if ended and not (run.selects_tests or session.config.getoption("--vary-bases")):
        _save_passed(run, clean=not problems)
    for line in (*_passed_lines(run.passed), *problems):
        host.print_status(line)
    session.exitstatus = _exit_status(session.exitstatus, problems, run.passed)
    if run.unrecorded and session.config.option.tbstyle == "auto":
        # The verdict has each difference, and its file the tracebacks.
        session.config.option.tbstyle = "no"
        reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.reportchars = ""


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the verdict on an engine that was never recorded."""
    run = config.stash.get(SESSION, None)
    if run is None or not run.unrecorded or not run.results or run.gone:
        return
    lines = list(verdict.describe_run(run.results.values(), run.differences))
    terminalreporter.section(f"verdict on {run.engine}")
    for line in lines:
        terminalreporter.line(line)
    if run.differences.texts:
        try:
            terminalreporter.line(verdict.describe_report(verdict.save_report(run.engine, lines, run.differences)))
        except OSError as error:
            terminalreporter.line(f"the report of these differences can't be written: {error}")


def _exit_status(status: int, problems: list[str], skipped: Mapping[str, Passed]) -> int:
    if problems and status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return pytest.ExitCode.TESTS_FAILED
    return pytest.ExitCode.OK if skipped and status == pytest.ExitCode.NO_TESTS_COLLECTED else status


def _remove_leftovers(run: Session) -> list[str]:
    """Remove what the run left on the engine, and return a message for each of it."""
    left: list[Resource] = []
    try:
        if not run.config.getoption("--keep"):
            left += [resource for resource in resources.list_resources(run.engine) if resource.run == run.run]
            if run.engine.private and not resources.other_run_active(run.lock):
                volumes = resources.dangling_volumes(run.engine) - run.volumes
                left += [Resource("volume", f"{name[:12]} (anonymous)", name) for name in sorted(volumes)]
            resources.remove_resources(run.engine, left)
    except EngineError as error:
        run.gone = True
        return [f"{error}\nthe next run on this engine removes what this run left behind"]
    run.lock.unlink(missing_ok=True)
    return [f"left behind, and removed now: {resource}" for resource in left]


def _save_history(run: Session, left: list[str]) -> None:
    if run.config.getoption("--no-history") or run.gone or not run.results:
        return
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    saved = tuple(map(results.without_evidence, run.results.values()))
    recording = run.config.getoption("--record")
    try:
        history.save_run(RunRecord(run.run, run.engine.key, now, run.digests, saved, tuple(left), recording))
    except OSError as error:
        host.print_status(f"this run is not in the history: {error}")


def _split_examples(run: Session) -> list[str]:
    split = [slug for slug, workers in run.workers.items() if len(workers) > 1]
    return [f"the tests of {slug} ran on several workers: use --dist loadgroup" for slug in split]


def _save_results(run: Session, *, ended: bool, clean: bool) -> list[str]:
    """Write the file of ``--results``, and record evidence or compare the counts with the floor. Return problems."""
    if run.config.getoption("--results"):
        claims = [asdict(result) for result in run.results.values() if result.kind]
        Path(run.config.getoption("--results")).write_text(json.dumps(claims, indent=1), encoding="utf-8")
    if run.config.getoption("--record"):
        return _record_evidence(run, ended=ended, clean=clean)
    earlier = [result for unit in run.passed.values() for result in unit.results]
    return results.below_floor([*run.results.values(), *earlier]) if ended and not run.partial else []


def _record_evidence(run: Session, *, ended: bool, clean: bool) -> list[str]:
    """Write evidence and, after a whole run without a problem, the floor. Return problems."""
    if run.selects_tests or not ended:
        if run.results:
            why = "only some tests of an example were asked for" if ended else "the run ended early"
            host.print_status(f"no evidence written: {why}")
        return []
    done, problems = results.write_evidence(run.engine, run.results.values())
    if clean and not problems and not run.partial:
        results.raise_floor()
    for line in done:
        host.print_status(line)
    return problems


def _save_passed(run: Session, *, clean: bool) -> None:
    """Save the units that passed, for later runs to skip. If the run left something behind, none passed: which test
    left it is unknown.
    """
    units = results.group_units(run.results.values())
    failed = {unit for unit, group in units.items() if not (clean and all(result.accepted for result in group))}
    # With --example, of the other units only some tests ran.
    complete = units.keys() & set(run.config.getoption("--example") or units)
    try:
        passed.save_passed(run.engine, {unit: units[unit] for unit in complete - failed}, failed)
    except OSError as error:
        host.print_status(f"the next run will run all of this again: {error}")


def _passed_lines(units: Mapping[str, Passed]) -> Iterator[str]:
    """Yield lines about the units that this run skipped because they passed, and about what was skipped then."""
    for name, unit in units.items():
        yield f"{name}: passed {unit.age_text()} ago on this engine, unchanged since"
        skipped = [result for result in unit.results if result.outcome == "skipped"]
        yield from sorted(f"  but not {result.test}: {result.reason}" for result in skipped)
    if units:
        yield "to run these again: nox -s examples -- --all"
