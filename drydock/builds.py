"""What a build did, step by step, as its log tells: the plain log of BuildKit, or that of Podman's builder."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The instructions that are steps of their own to every builder.
STEPS = ("ADD", "COPY", "RUN", "WORKDIR")
_BUILDKIT = re.compile(
    r"#(?P<number>\d+) (?:\[(?P<at>(?:[^\]]* )?[0-9]{1,4}/[0-9]{1,4})\] (?P<step>.*)|(?P<cached>CACHED)|DONE .*)$"
)
_PODMAN = re.compile(r"(?:\[(?P<stage>\d+)/\d+\] )?STEP (?P<at>[0-9]{1,4}/[0-9]{1,4}): (?P<step>.*)$")


@dataclass
class Step:
    """A step of a build.

    :ivar at: its place: ``2/5``, or ``stage 2/5`` where there are several stages.
    :ivar step: the instruction, with build arguments not filled in.
    :ivar cached: whether its result was there from an earlier build.
    """

    at: str
    step: str
    cached: bool = False


def steps(log: str) -> list[Step]:
    """Return the steps in `log`, in their order within each stage; other instructions leave nothing to run."""
    found: dict[str, Step] = {}
    last = ""
    for line in log.splitlines():
        if match := _BUILDKIT.match(line):
            number = match["number"]
            if match["step"]:
                found.setdefault(number, Step(" ".join(match["at"].split()), match["step"]))
            elif match["cached"] and number in found:
                found[number].cached = True
        elif match := _PODMAN.match(line):
            last = line
            found[last] = Step(" ".join(filter(None, [match["stage"], match["at"]])), match["step"])
        elif line.startswith("--> Using cache") and last:
            found[last].cached = True
    kept = [step for step in found.values() if step.step.split(" ")[0] in STEPS]
    return sorted(kept, key=lambda step: (step.at.rpartition(" ")[0], int(re.split("[ /]", step.at)[-2])))


def ran(log: str) -> list[str]:
    """Return the instructions whose results were not there from an earlier build."""
    return [step.step for step in steps(log) if not step.cached]
