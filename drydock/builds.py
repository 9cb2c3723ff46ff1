"""Reads the steps of a build from its log: BuildKit's plain log, or that of Podman's builder."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Instructions that every builder runs as a step.
STEPS = ("ADD", "COPY", "RUN", "WORKDIR")
_BUILDKIT = re.compile(
    r"#(?P<number>\d+) (?:\[(?P<at>(?:[^\]]* )?[0-9]{1,4}/[0-9]{1,4})\] (?P<step>.*)|(?P<cached>CACHED)|DONE .*)$"
)
_PODMAN = re.compile(r"(?:\[(?P<stage>\d+)/\d+\] )?STEP (?P<at>[0-9]{1,4}/[0-9]{1,4}): (?P<step>.*)$")


@dataclass
class Step:
    """A step of a build.

    :ivar at: its number: ``2/5``, or ``stage 2/5`` if there are several stages.
    :ivar step: the instruction, as written in the Dockerfile.
    :ivar cached: whether its result comes from the build cache.
    """

    at: str
    step: str
    cached: bool = False


def steps(log: str) -> list[Step]:
    """Return the steps in `log`, by stage and number; instructions that only set metadata are left out."""
    by_number: dict[str, Step] = {}
    last = ""
    for line in log.splitlines():
        if match := _BUILDKIT.match(line):
            number = match["number"]
            if match["step"]:
                by_number.setdefault(number, Step(" ".join(match["at"].split()), match["step"]))
            elif match["cached"] and number in by_number:
                by_number[number].cached = True
        elif match := _PODMAN.match(line):
            last = line
            by_number[last] = Step(" ".join(filter(None, [match["stage"], match["at"]])), match["step"])
        elif line.startswith("--> Using cache") and last:
            by_number[last].cached = True
    relevant = [step for step in by_number.values() if step.step.split(" ")[0] in STEPS]
    return sorted(relevant, key=lambda step: (step.at.rpartition(" ")[0], int(re.split("[ /]", step.at)[-2])))


def ran(log: str) -> list[str]:
    """Return the instructions whose results don't come from the build cache."""
    return [step.step for step in steps(log) if not step.cached]
