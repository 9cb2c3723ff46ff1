"""Claims and transcripts that some engines are known not to uphold, each with the reason.

They run there all the same, and have to fail, so that the list is updated once they hold. The evidence records them as
not upheld, with the reason. Those that hold now and then are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from drydock import ROOT
from drydock.model.conditions import condition_holds
from drydock.model.expectations import load_all_expectations


class KnownFailure(NamedTuple):
    """A claim or a transcript that some engines don't uphold.

    :ivar condition: on the facts of an engine; see :mod:`drydock.model.conditions`.
    :ivar test: ``slug::test_of_a_claim``, or ``slug::transcripts/name``.
    :ivar flaky: it holds now and then.
    """

    condition: str
    reason: str
    test: str
    flaky: bool


def failures_on(facts: Mapping[str, str], top: Path = ROOT) -> dict[str, KnownFailure]:
    """Return each claim or transcript that the engine with these facts doesn't uphold.

    Of several that apply to one test, the first in the file counts, and what is flaky before all others.

    :raises MalformedError: see :func:`drydock.model.expectations.load_expectations`.
    """
    applies = [failure for failure in all_failures(top) if condition_holds(failure.condition, facts)]
    return {failure.test: failure for failure in reversed(applies)}


def all_failures(top: Path = ROOT) -> Iterator[KnownFailure]:
    """Yield the known failures of all examples on all engines, those that are flaky first.

    :raises MalformedError: see :func:`failures_on`.
    """
    for slug, expectations in load_all_expectations(top).items():
        for failures, flaky in ((expectations.flaky, True), (expectations.known_failures, False)):
            for condition, reasons in failures.items():
                for reason, tests in reasons.items():
                    yield from (KnownFailure(condition, reason, f"{slug}::{test}", flaky) for test in tests)
