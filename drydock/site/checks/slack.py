"""Slack: how much of what transcripts print is not compared to the letter, and how often a step may be tried again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from drydock.model.transcript import ANY_LINES, ANY_TEXT, REDACTIONS, Step

_OPEN = re.compile(r"(?<!\\)(?:<(" + "|".join(REDACTIONS) + r")>|" + re.escape(ANY_TEXT) + ")")


@dataclass(frozen=True)
class Slack:
    """What the steps of all transcripts leave open.

    :ivar steps: how many commands there are.
    :ivar lines: lines of output that are written out.
    :ivar exact: of these, lines that are compared to the letter.
    :ivar elided: places where any lines may stand.
    :ivar open: by placeholder, how often it stands for text within a line.
    :ivar retried: steps that are run again until they match.
    """

    steps: int = 0
    lines: int = 0
    exact: int = 0
    elided: int = 0
    open: dict[str, int] = field(default_factory=dict)
    retried: int = 0


def slack(steps: Iterable[Step]) -> Slack:
    """Return what `steps` leave open."""
    every = list(steps)
    lines = [line for step in every for line in step.output]
    written = [line for line in lines if line != ANY_LINES]
    found = [[each[0] for each in _OPEN.finditer(line)] for line in written]
    return Slack(
        steps=len(every),
        lines=len(written),
        exact=found.count([]),
        elided=len(lines) - len(written),
        open=dict(Counter(chain.from_iterable(found)).most_common()),
        retried=sum(step.directives.retry > 0 for step in every),
    )
