"""The pytest plugin for tests on an engine: which tests run, what is left clean, and what is written as evidence."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Collection, Generator
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
from drydock.replay.shell import Outcome
from drydock.testing import history, passed as proofs, results as tally
from drydock.testing.history import ResultRecord, RunRecord, StepRecord
from drydock.testing.passed import Passed, Proof
from drydock.testing.results import Result

#: Folders under tests/ whose tests need an engine.
ON_ENGINE = ("examples", "bases", "harness", "pages")
#: What a run ends with that ran all its tests.
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
#: The environment variable in which the workers find which units to leave out.
PROVEN = "DRYDOCK_PROVEN"


@dataclass
class Session:
    """What one run of the tests knows.

    :ivar run: its eight hexadecimal digits, in the names of all it makes.
    :ivar volumes: the anonymous volumes that were on the private engine before it.
    :ivar results: by test id; complete in the process that controls the workers.
    :ivar workers: the workers that ran the tests of each example; more than one is a fault.
    :ivar outcomes: by unit, what became of its tests.
    :ivar skips: by unit and test, why it was skipped, or why it is known not to be upheld.
    :ivar proven: by unit, the proof for which its tests need not run again.
    :ivar tests: for the history, what became of each test.
    :ivar digests: for the history, by unit, of all that its tests rest on: taken at the start, because files may be
        edited, and are recorded, during a run.
    :ivar gone: whether the engine went away under the run, so that what failed says nothing of the tests.
    """

    engine: Engine
    run: str
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    volumes: set[str] = field(default_factory=set)
    results: dict[str, Result] = field(default_factory=dict)
    workers: dict[str, set[str]] = field(default_factory=dict)
    outcomes: dict[str, set[str]] = field(default_factory=dict)
    skips: dict[str, dict[str, str]] = field(default_factory=dict)
    proven: dict[str, Proof] = field(default_factory=dict)
    tests: dict[str, ResultRecord] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    gone: bool = False

    @property
    def lock(self) -> Path:
        """The file that this run locks while it lives. What is left of a dead run is swept by this."""
        return locks_folder(self.engine) / f"{self.run}.run"

    def split(self) -> list[str]:
        """Return whose tests ran on several workers, where they would take away from each other what they share."""
        return [what for what, workers in self.workers.items() if len(workers) > 1]


SESSION = pytest.StashKey[Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add Drydock's options."""
    group = parser.getgroup("drydock")
    group.addoption("--on-engine", action="store_true", help="run the tests that need an engine, and only these")
    group.addoption(
        "--engine", choices=sorted(ENGINE_SPECS), default="", help="use this private engine; implies --on-engine"
    )
    group.addoption("--example", action="append", default=[], metavar="SLUG", help="run only this example's tests")
    group.addoption("--unproven", action="store_true", help="leave out what passed on this engine as it is now")
    group.addoption("--record", action="store_true", help="rewrite transcripts and evidence with what this run proves")
    group.addoption("--accept-failures", action="store_true", help="record steps whose exit status changed, too")
    group.addoption("--results", metavar="FILE", help="write what became of each test to this JSON file")
    group.addoption("--shuffle-within", action="store_true", help="with --random-order, shuffle each file's tests, too")
    group.addoption("--no-history", action="store_true", help="keep this run out of the history")
    group.addoption("--keep", action="store_true", help="leave what a failing test made alive, and say how to enter it")


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
            _begin(session)
            _leave_out_proven(session, config)
            if not _picked(config) and engine.facts["name"] != "Podman":  # there no transcript runs
                make_room(
                    engine, config.getoption("--example") or examples.load_examples().keys() - session.proven.keys()
                )
            if not config.getoption("--no-history"):
                units = config.getoption("--example") or [*examples.load_examples(), *(set(ON_ENGINE) - {"examples"})]
                with contextlib.suppress(OSError):  # a copy of the repository need not hold all that a proof rests on
                    session.digests = proofs.unit_digests(engine, units)
            config.pluginmanager.register(_Results(session))
    except DrydockError as error:
        raise pytest.UsageError(str(error)) from error


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _point_at(engine: Engine) -> None:
    """Make testcontainers and pytest-docker, and the workers, meet the same engine."""
    for name in ("DOCKER_CONTEXT", "COMPOSE_PROJECT_NAME", "COMPOSE_FILE"):
        os.environ.pop(name, None)
    os.environ.update(engine.client, TESTCONTAINERS_RYUK_DISABLED="true", TC_POOLING_INTERVAL="0.05")


def _begin(session: Session) -> None:
    os.environ["DRYDOCK_RUN"] = session.run
    session.stack.callback(os.environ.pop, "DRYDOCK_RUN", None)
    swept = resources.remove_leftovers(session.engine, locks_folder(session.engine))
    session.stack.enter_context(host.file_lock(session.lock))
    if session.engine.private:
        session.volumes = resources.dangling_volumes(session.engine)
        if not resources.other_run_active(session.lock):
            # Each build that takes over a tag leaves an image without one, and the engine reads them all whenever it
            # is asked for its images: with some hundred of them, that is what it is busy with.
            resources.prune_images(session.engine)
    if swept:
        host.print_status(f"removed what an earlier run left behind: {', '.join(map(str, swept))}")


def _leave_out_proven(session: Session, config: pytest.Config) -> None:
    """Find what needs not run again, if that is wanted, and tell the workers: all are to collect the same tests."""
    os.environ.pop(PROVEN, None)
    if config.getoption("--unproven") and not _filtered(config):
        session.proven = proofs.still_valid(
            session.engine, [*examples.load_examples(), *(set(ON_ENGINE) - {"examples"})]
        )
        os.environ[PROVEN] = " ".join(session.proven)
        session.stack.callback(os.environ.pop, PROVEN, None)


def make_room(engine: Engine, slugs: Collection[str]) -> None:
    """See that the names of these examples' transcripts are free: a reader may have followed their pages.

    What he made on an engine of his own stays. On the private engine his images go, for the examples' files build
    them again; the rest stays there, too.

    :raises ReplayError: something is in the way; the message says what removes it.
    """
    found = reservations.find_conflicts(engine, locks_folder(engine), slugs)
    images = [thing for thing in found if thing.kind == "image" and engine.private]
    kept = [thing for thing in found if thing not in images] or resources.remove_resources(engine, images)
    if kept:
        raise ReplayError(reservations.conflict_message(kept))
    if images:
        removed = ", ".join(thing.name for thing in images)
        host.print_status(f"removed from the private engine, for transcripts build images with these names: {removed}")


def locks_folder(engine: Engine) -> Path:
    """Return the folder of the lock files of this engine's runs and names."""
    return host.cache_folder() / "locks" / "".join(c if c.isalnum() else "-" for c in engine.facts["id"])


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say on which engine and base images the tests run."""
    session = config.stash.get(SESSION, None)
    return [f"engine: {session.engine}"] if session else []


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect either what needs an engine or what does not."""
    parts = collection_path.relative_to(ROOT).parts if collection_path.is_relative_to(ROOT) else ()
    if len(parts) < 2 or parts[0] != "tests":
        return None
    return True if (parts[1] in ON_ENGINE) != config.getoption("--on-engine") else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep the tests of an example on one worker: claims share what they build, and the output of a build that a
    transcript shows would name steps of another build that shares them at that moment.

    (It is too late for this in `pytest_collection_modifyitems`: xdist reads the marks before.)
    """
    slug = slug_of(item)
    if slug and item.config.getoption("--on-engine"):
        item.add_marker(pytest.mark.xdist_group(slug))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Pick the examples asked for, and ask each test for its claim."""
    if not config.getoption("--on-engine"):
        return
    wanted = config.getoption("--example")
    proven = os.environ.get(PROVEN, "").split()
    known = known_failures.failures_on(config.stash[SESSION].engine.key)
    # The tests of some files look one after the other at what they share.
    ordered = config.getoption("random_order_enabled", False) and not config.getoption("--shuffle-within")
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        slug = slug_of(item)
        if slug and not _sentence(item):
            raise pytest.UsageError(f"{item.nodeid}: its docstring is to be the sentence that it proves")
        # A test of the harness that is tried for an example stays the harness's.
        unit = unit_of(item.nodeid, slug if item.path.parent.name == "examples" else None)
        chosen = slug in wanted if wanted else unit not in proven
        (kept if chosen else dropped).append(item)
        if ordered:
            item.add_marker(pytest.mark.random_order(disabled=True))
        expect_failure(item, known.get(f"{slug}::{claim_name(item)}"))
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def claim_name(item: pytest.Item) -> str:
    """Return the test's name in the list of known failures: its function, or ``transcripts/NAME``."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    transcript = item.path.stem == "test_transcripts" and "name" in parameters
    return f"transcripts/{parameters['name']}" if transcript else str(getattr(item, "originalname", item.name))


def expect_failure(item: pytest.Item, difference: known_failures.KnownFailure | None) -> None:
    """Expect the test to fail on an engine that is known not to uphold it; where it passes, the run fails.

    What holds there by chance is skipped.
    """
    if difference and difference.by_chance:
        item.add_marker(pytest.mark.skip(reason=difference.reason))
    elif difference:
        item.add_marker(pytest.mark.xfail(reason=difference.reason, strict=True))


def slug_of(item: pytest.Item) -> str | None:
    """Return the slug of the example that the test belongs to; None for a test of a base image."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "slug" in parameters:
        return str(parameters["slug"])
    if item.path.parent.name != "examples":
        return None
    return item.path.stem.removeprefix("test_").replace("_", "-")


def unit_of(test: str, slug: str | None) -> str:
    """Return whose proof the test with this id belongs to: its example's, else that of its folder under tests/."""
    return slug or test.split("/")[1]


def _plain(test: str, unit: str) -> str:
    """Return the id of a test as it is without workers: with ``--dist loadgroup`` it ends with its group's name."""
    return test.removesuffix(f"@{unit}")


def _sentence(item: pytest.Item) -> str:
    return " ".join((getattr(item.obj, "__doc__", None) or "").split()) if isinstance(item, pytest.Function) else ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Write on an example's test what it proves. It travels with the test's reports from a worker to the controller.

    A test of the harness that is run for an example is no claim of it.
    """
    slug = slug_of(item)
    if slug and item.path.parent.name == "examples" and item.config.stash.get(SESSION, None):
        kind = "transcript" if item.path.stem == "test_transcripts" else "claim"
        name = item.callspec.params["name"] if kind == "transcript" else item.name.partition("@")[0]  # type: ignore[attr-defined]
        facts: dict[str, Any] = {"slug": slug, "kind": kind, "name": name, "sentence": _sentence(item)}
        facts |= {"measures": {}, "tables": {}}
        item.user_properties.append(("drydock", facts))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Write on a transcript's test each step that it ran, also where one failed."""
    if facts_of(item).get("kind") != "transcript":
        return (yield)
    ran: list[dict[str, Any]] = []
    item.user_properties.append(("drydock-steps", ran))

    def keep(outcome: Outcome) -> None:
        step = StepRecord(outcome.expected.line, round(outcome.seconds, 3), outcome.tries, outcome.passed)
        ran.append(asdict(step))  # a report travels as what JSON can hold

    told = replay.ON_STEP.set(keep)
    try:
        return (yield)
    finally:
        replay.ON_STEP.reset(told)


def facts_of(item: pytest.Item) -> dict[str, Any]:
    """Return what is written on the test: fields of :class:`drydock.testing.results.Result`."""
    found: object = dict(item.user_properties).get("drydock", {})
    assert isinstance(found, dict)
    return found


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


def _reason(report: pytest.TestReport) -> str:
    """Return why the test was skipped, or expected to fail; "" where nobody said."""
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail).removeprefix("reason: ")
    skipped = isinstance(report.longrepr, tuple)
    return report.longrepr[2].removeprefix("Skipped").removeprefix(": ") if skipped else ""  # type: ignore[index]


class _Results:
    """Gathers the reports, in the process that controls the workers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what decides about a test: its call, or the setup or teardown that did not pass."""
        facts: Any = dict(report.user_properties).get("drydock")
        unit = unit_of(report.nodeid, facts["slug"] if facts else None)
        self._session.outcomes.setdefault(unit, set()).add(report.outcome)
        self._note(report, facts, unit)
        if facts:
            self._session.workers.setdefault(facts["slug"], set()).add(getattr(report, "worker_id", ""))
        reason = _reason(report)
        if report.skipped:
            self._session.skips.setdefault(unit, {})[_plain(report.nodeid, unit)] = reason
        if facts and (report.when == "call" or report.outcome != "passed"):
            self._session.results[report.nodeid] = Result(report.nodeid, outcome=report.outcome, reason=reason, **facts)

    def _note(self, report: pytest.TestReport, facts: Any, unit: str) -> None:
        """Keep for the history what this part of the test says: its setup, its call, or its teardown."""
        test = _plain(report.nodeid, unit)
        if facts and facts["kind"] == "transcript":
            test = f"examples/{unit}/transcripts/{facts['name']}.console"
        so_far = self._session.tests.get(test, ResultRecord(unit, "passed", 0.0))
        steps: Any = dict(report.user_properties).get("drydock-steps", ())
        self._session.tests[test] = ResultRecord(
            unit,
            so_far.outcome if report.outcome == "passed" else report.outcome,
            round(so_far.seconds + report.duration, 3),
            tuple(StepRecord(**each) for each in steps),
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove and report what the run left behind, hold it to the floor, and write evidence."""
    known = session.config.stash.get(SESSION, None)
    if known is None or _is_worker(session.config):
        return
    with known.stack:
        problems = _leaks(known, session.config)
    _keep_in_history(known, session.config, problems)
    problems += [f"the tests of {what} ran on several workers: use --dist loadgroup" for what in known.split()]
    results = list(known.results.values())
    if session.config.getoption("--results"):
        table = json.dumps([asdict(result) for result in results], indent=1)
        Path(session.config.getoption("--results")).write_text(table, encoding="utf-8")
    whole = not _filtered(session.config)
    done: list[str] = []
    if session.config.getoption("--record") and _picked(session.config):
        done = ["no evidence written: only some tests of an example were asked for"] if results else []
    elif session.config.getoption("--record") and not session.shouldfail:
        done, refused = tally.write_evidence(known.engine, results)
        problems += refused
        if whole and not problems:
            tally.raise_floor()
    elif whole:
        problems += tally.below_floor(tally.count_results(results, known.proven.values()))
    ended = session.exitstatus in ENDED and not session.shouldfail and not session.shouldstop
    if ended and not _picked(session.config):
        _keep_proofs(known, results, set(session.config.getoption("--example")), blamed=bool(problems))
    for unit, proof in known.proven.items():
        host.print_status(f"{unit}: proven {proofs.proof_age(proof)} ago on this engine, unchanged since")
        for skip in proof.skips:
            host.print_status(f"  but not {skip}")
    if known.proven:
        host.print_status("run these again all the same with: nox -s examples -- --all")
    for line in [*done, *problems]:
        host.print_status(line)
    if problems and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif known.proven and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _keep_in_history(session: Session, config: pytest.Config, left: list[str]) -> None:
    if config.getoption("--no-history") or session.gone or not session.tests:
        return
    units = {verdict.unit for verdict in session.tests.values()}
    ran = RunRecord(
        run=session.run,
        engine=session.engine.key,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        digests={unit: digest for unit, digest in session.digests.items() if unit in units},
        tests=session.tests,
        left=tuple(left),
        recording=config.getoption("--record"),
    )
    try:
        history.save_run(ran)
    except OSError as error:
        host.print_status(f"this run is not in the history: {error}")


def _keep_proofs(session: Session, results: list[Result], wanted: set[str], *, blamed: bool) -> None:
    """Remember which units passed whole, and what they skipped: later runs say it again. Where the run left something
    behind, none did: whose it was is not known.

    :param wanted: the examples that were asked for, of whose tests those alone are all that ran; empty for all.
    """
    failed = {unit for unit, outcomes in session.outcomes.items() if blamed or not outcomes <= {"passed", "skipped"}}
    failed |= {unit for unit, skips in session.skips.items() if not all(skips.values())}
    passed = {}
    for unit in (session.outcomes.keys() & wanted if wanted else session.outcomes.keys()) - failed:
        counted = tally.count_results(each for each in results if each.slug == unit)
        skips = tuple(f"{test}: {reason}" for test, reason in sorted(session.skips.get(unit, {}).items()))
        passed[unit] = Passed(counted["claims"], counted["transcripts"], skips)
    try:
        proofs.keep_proofs(session.engine, passed, failed)
    except OSError as error:
        host.print_status(f"the next run will run all of this again: {error}")


def _filtered(config: pytest.Config) -> bool:
    return bool(config.getoption("--example")) or _picked(config)


def _picked(config: pytest.Config) -> bool:
    """Say whether single tests were asked for, so that of an example some may be left out."""
    chosen = any(config.getoption(name) for name in ("keyword", "markexpr", "collectonly"))
    return chosen or any("::" in argument or argument.endswith(".py") for argument in config.args)


def _leaks(session: Session, config: pytest.Config) -> list[str]:
    if config.getoption("--keep"):
        session.lock.unlink(missing_ok=True)
        return []
    try:
        left = [thing for thing in resources.list_resources(session.engine) if thing.run == session.run]
        if session.engine.private and not resources.other_run_active(session.lock):
            fresh = resources.dangling_volumes(session.engine) - session.volumes
            left += [Resource("volume", f"{name[:12]} (anonymous)", name) for name in sorted(fresh)]
        resources.remove_resources(session.engine, left)
    except EngineError as error:
        session.gone = True
        return [f"{error}\nwhat this run left behind is removed by the next one on this engine"]
    session.lock.unlink(missing_ok=True)
    return [f"left behind, and removed now: {thing}" for thing in left]
