"""Claims and transcripts that another engine is known not to uphold, each with the reason.

They run there all the same, and have to fail, so that the list is updated once they hold. The evidence records them as
not upheld, with the reason. Those that hold now and then are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from drydock import ROOT
from drydock.model.expectations import load_all_expectations


class KnownFailure(NamedTuple):
    """A claim or a transcript that an engine doesn't uphold.

    :ivar engine: the engine's key.
    :ivar test: ``slug::test_of_a_claim``, or ``slug::transcripts/name``.
    :ivar flaky: it holds now and then.
    """

    engine: str
    reason: str
    test: str
    flaky: bool


def failures_on(engine: str, top: Path = ROOT) -> dict[str, KnownFailure]:
    """Return each claim or transcript that the engine with this key doesn't uphold.

    :raises MalformedError: see :func:`drydock.model.expectations.load_expectations`.
    """
    return {failure.test: failure for failure in all_failures(top) if failure.engine == engine}


def all_failures(top: Path = ROOT) -> Iterator[KnownFailure]:
    """Yield the known failures of all examples on all engines.

    :raises MalformedError: see :func:`failures_on`.
    """
    for slug, expectations in load_all_expectations(top).items():
        for failures, flaky in ((expectations.known_failures, False), (expectations.flaky, True)):
            for engine, reasons in failures.items():
                for reason, tests in reasons.items():
                    yield from (KnownFailure(engine, reason, f"{slug}::{test}", flaky) for test in tests)
