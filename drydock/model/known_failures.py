"""Claims and transcripts that another engine is known not to uphold, each with the reason.

They are run there all the same, and have to fail: a difference that is gone fails the run, so that it is taken off the
list. In the evidence they are what was not upheld, and why. What holds there now and then is not run, and is skipped.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from drydock import ROOT
from drydock.errors import MalformedError

#: The list, in the repository: a table per engine, named as its evidence is, with the tests of each reason:
#: ``slug::test_of_a_claim``, or ``slug::transcripts/name``.
FILE = Path("tests/examples/differences.toml")
#: The table within an engine's for what holds there by chance.
CHANCE = "by-chance"


class KnownFailure(NamedTuple):
    """A claim or a transcript that an engine does not uphold.

    :ivar engine: the engine's key.
    :ivar test: ``slug::test_of_a_claim``, or ``slug::transcripts/name``.
    :ivar by_chance: it does now and then.
    """

    engine: str
    reason: str
    test: str
    by_chance: bool


def failures_on(engine: str, top: Path = ROOT) -> dict[str, KnownFailure]:
    """Return each claim or transcript that the engine with this key does not uphold.

    :raises MalformedError: the list is not what this module expects.
    """
    return {entry.test: entry for entry in all_entries(top) if entry.engine == engine}


def all_entries(top: Path = ROOT) -> Iterator[KnownFailure]:
    """Yield each line of the list.

    :raises MalformedError: see :func:`failures_on`.
    """
    if not (top / FILE).is_file():
        return
    try:
        known = tomllib.loads((top / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MalformedError(top / FILE, 0, str(error)) from None
    for engine, reasons in known.items():
        chance = reasons.pop(CHANCE, {}) if isinstance(reasons, dict) else {}
        for table, by_chance in ((reasons, False), (chance, True)):
            for reason, tests in table.items() if isinstance(table, dict) else [("", None)]:
                if not isinstance(tests, list) or not all(isinstance(test, str) and "::" in test for test in tests):
                    raise MalformedError(top / FILE, 0, f"[{engine}] {reason!r} is to be a list of slug::test")
                yield from (KnownFailure(engine, reason, test, by_chance) for test in tests)
