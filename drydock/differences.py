"""Claims and transcripts that another engine is known not to uphold, each with the reason.

They are run there all the same, and have to fail: a difference that is gone fails the run, so that it is taken off the
list. In the evidence they are what was not upheld, and why.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from drydock import ROOT
from drydock.errors import MalformedError

#: The list, in the repository: a table per engine, named as its evidence is, with the tests of each reason:
#: ``slug::test_of_a_claim``, or ``slug::transcripts/name``.
FILE = Path("tests/examples/differences.toml")


def load(engine: str, top: Path = ROOT) -> dict[str, str]:
    """Return the reason for each claim or transcript that the engine with this key does not uphold.

    :raises MalformedError: the list is not what this module expects.
    """
    return {test: reason for key, reason, test in entries(top) if key == engine}


def entries(top: Path = ROOT) -> Iterator[tuple[str, str, str]]:
    """Yield each line of the list: the engine's key, the reason, the claim or transcript.

    :raises MalformedError: see :func:`load`.
    """
    if not (top / FILE).is_file():
        return
    try:
        known = tomllib.loads((top / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MalformedError(top / FILE, 0, str(error)) from None
    for engine, reasons in known.items():
        for reason, tests in reasons.items() if isinstance(reasons, dict) else [("", None)]:
            if not isinstance(tests, list) or not all(isinstance(test, str) and "::" in test for test in tests):
                raise MalformedError(top / FILE, 0, f"[{engine}] {reason!r} is to be a list of slug::test")
            yield from ((engine, reason, test) for test in tests)
