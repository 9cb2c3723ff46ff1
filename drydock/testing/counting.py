"""The pytest plugin that counts what the harness was tried on, for the site: ``--tally=faults``, ``--tally=fuzz``."""

from __future__ import annotations

import datetime
import functools
import re
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from drydock.errors import MalformedError
from drydock.host import print_status
from drydock.model import held
from drydock.model.held import Held, Tally
from drydock.testing.plugin import SESSION


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says what is counted."""
    group = parser.getgroup("drydock")
    group.addoption("--tally", choices=held.KINDS, help="keep for the site how much was tried")


def pytest_configure(config: pytest.Config) -> None:
    """Count, if that is asked for, and the counts can be kept."""
    if config.getoption("--tally"):
        try:
            held.load(config.rootpath)
        except MalformedError as error:
            raise pytest.UsageError(str(error)) from error
        config.pluginmanager.register(_Count(config))


class _Count:
    """Counts in each worker what a test was tried on, and adds it up in the process that controls them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._says: dict[str, str] = {}
        self._tried: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Add to the reports of a test what it says: its first sentence."""
        test: Any = item
        sentence = re.split(r"(?<=\.)\s", (test.obj.__doc__ or "").strip(), maxsplit=1)[0]
        item.user_properties.append(("drydock-says", " ".join(sentence.split())))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Add to the report of a test that it is one case, or, if Hypothesis gives it inputs, how many they were."""
        test: Any = item
        handle = getattr(test.obj, "hypothesis", None)
        tried = [0 if handle else 1]
        item.user_properties.append(("drydock-tried", tried))
        if not handle:
            return (yield)
        inner = handle.inner_test

        @functools.wraps(inner)  # Hypothesis looks at its parameters
        def counted(*args: Any, **kwargs: Any) -> None:
            inner(*args, **kwargs)
            tried[0] += 1

        handle.inner_test = counted
        try:
            return (yield)
        finally:
            handle.inner_test = inner

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what the test was tried on, and whether it failed, before or in its call or after it."""
        facts: Any = dict(report.user_properties)
        test = re.split(r"\[|@", report.nodeid, maxsplit=1)[0]
        if report.failed or (report.when == "call" and report.passed):
            self._says[test] = facts["drydock-says"]
            self._failed[test] += report.failed
        if report.when == "call" and not report.skipped:
            self._tried[test] += facts["drydock-tried"][0]

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Keep the counts, unless the run was ended before its time."""
        if hasattr(self._config, "workerinput") or exitstatus not in (0, 1) or not self._says:
            return
        session = self._config.stash.get(SESSION, None)
        tests = [Held(test, self._says[test], self._tried[test], self._failed[test]) for test in sorted(self._says)]
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        kind = self._config.getoption("--tally")
        held.save(kind, Tally(today, session.engine.key if session else "", tuple(tests)), self._config.rootpath)
        print_status(
            f"{held.RESULTS}: {len(tests)} tests, tried {self._tried.total()} times, {self._failed.total()} failed"
        )
