"""The verdict on an engine that was never recorded: what is new about it, and what became of claims and transcripts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drydock import host
from drydock.engine.client import Engine
from drydock.model import evidence, example as examples
from drydock.model.conditions import engine_key, parse_version
from drydock.testing.results import Result

#: Lines of a difference in the verdict, and columns of each. The file has all of them.
MAX_LINES, MAX_COLUMNS = {"transcript": 30, "claim": 8, "": 8}, 160
#: The parts of an engine, by their facts.
_PARTS = {
    "version": "",
    "compose": "Compose ",
    "buildx": "buildx ",
    "api": "Docker API ",
    "store": "image store ",
    "base_images": "base images: ",
    "cgroup": "cgroup version ",
    "architecture": "architecture ",
    "rootless": "rootless: ",
    "desktop": "Docker Desktop: ",
}
_HOLDS = "[XPASS(strict)] "


@dataclass
class Differences:
    """How the tests of a run failed.

    :ivar texts: of each test that failed, pytest's report as text.
    :ivar causes: of each of them, the message of the assertion or of the transcript's step.
    """

    texts: dict[str, str] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)

    def add(self, test: str, report: pytest.TestReport) -> None:
        """Add a failed phase of the test."""
        crash = getattr(report.longrepr, "reprcrash", None)
        cause = (crash.message if crash else report.longreprtext).removeprefix("Failed: ").partition("\nengine: ")[0]
        if cause.startswith(_HOLDS):
            cause = f"listed as a known failure, but it holds here: narrow the condition ({cause.removeprefix(_HOLDS)})"
        self.texts[test], self.causes[test] = report.longreprtext, cause


def recorded_facts() -> dict[str, list[dict[str, str]]]:
    """Return the facts of all engines that evidence was recorded on, by the engine's key."""
    facts: dict[str, list[dict[str, str]]] = {}
    for slug in examples.load_examples():
        for key, run in evidence.load_evidence(slug).runs.items():
            if run.engine not in facts.setdefault(key, []):
                facts[key].append(run.engine)
    return facts


def list_unrecorded(facts: Mapping[str, str], recorded: Mapping[str, Sequence[Mapping[str, str]]]) -> list[str]:
    """Return a line for each part of the engine that was never recorded; none if it was recorded as it is."""
    if any(not _new_parts(facts, [other]) for other in recorded.get(engine_key(facts), ())):
        return []
    others = [other for runs in recorded.values() for other in runs if other["name"] == facts["name"]]
    lines = [_describe_part(facts, part, others) for part in _new_parts(facts, others)]
    if lines or not others:
        return lines or [f"{_part(facts, 'version')}: nothing was ever recorded on {facts['name']}"]
    nearest = min(others, key=lambda other: len(_new_parts(facts, [other])))
    differing = ", ".join(_part(nearest, part) for part in _new_parts(facts, [nearest]))
    return [f"each part of it was recorded, but never together; nearest is {engine_key(nearest)} with {differing}"]


def _new_parts(facts: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the parts that none of the other engines has. What isn't a fact of any other engine is no news."""
    comparable = {part: {_part(other, part) for other in others} - {""} for part in _PARTS}
    return [part for part, values in comparable.items() if values and _part(facts, part) not in {"", *values}]


def _part(facts: Mapping[str, str], part: str) -> str:
    """Return a part of an engine in words, its version up to the minor one; "" if the fact is missing."""
    value = facts.get(part, "no" if part in ("rootless", "desktop") else "")
    if part in ("version", "compose", "buildx"):
        value = ".".join(value.split(".")[:2])
    return (facts["name"] + " " if part == "version" else _PARTS[part]) + value if value else ""


def _describe_part(facts: Mapping[str, str], part: str, others: Sequence[Mapping[str, str]]) -> str:
    name = _part(facts, part)
    values = {value: parse_version(value) for other in others if (value := _part(other, part))}
    if part in ("version", "compose", "buildx", "api"):
        return f"{name}: never recorded (newest recorded: {max(values, key=lambda value: values[value])})"
    return f"{name}: never recorded (only {', '.join(sorted(values))})"


def describe_run(results: Iterable[Result], differences: Differences) -> Iterator[str]:
    """Yield the lines of the verdict."""
    results = sorted(results, key=lambda result: (result.unit, result.test))
    yield _describe_share([result for result in results if result.expected or result.outcome != "skipped"])
    yield from _by_reason("Known differences", [r for r in results if r.expected and r.outcome == "skipped"])
    yield from _by_reason("Known differences that don't show here", [r for r in results if _unexpected(r)])
    yield from _by_reason("Not tested", [r for r in results if r.outcome == "skipped" and not r.expected])
    yield from _describe_failures([result for result in results if result.outcome == "failed"], differences)


def _describe_share(ran: Sequence[Result]) -> str:
    """Return how many of the claims and transcripts that ran hold."""
    outcomes = {kind: [result.outcome for result in ran if result.kind == kind] for kind in ("claim", "transcript")}
    shares = [f"{some.count('passed')} of {len(some)} {kind}s" for kind, some in outcomes.items() if some]
    return f"{' and '.join(shares)} that ran hold on this engine." if shares else "No claim and no transcript ran."


def _describe_failures(failed: Sequence[Result], differences: Differences) -> Iterator[str]:
    yield f"Unknown differences ({len(failed)}):" if failed else "No unknown difference."
    for result in failed:
        yield f"  {_name(result)}"
        yield from _shorten(differences.causes.get(result.test, "its worker ended"), MAX_LINES[result.kind])


def _unexpected(result: Result) -> bool:
    return result.expected and result.outcome == "passed"


def _by_reason(title: str, results: Sequence[Result]) -> Iterator[str]:
    """Yield the tests by their reason, under a title with their number."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        reasons.setdefault(result.reason or "no reason given", []).append(_name(result))
    if reasons:
        yield f"{title} ({len(results)}):"
    for reason, names in reasons.items():
        yield f"  {reason} ({len(names)}):"
        yield f"    {', '.join(names[:8])}{f', and {len(names) - 8} more' if len(names) > 8 else ''}"


def _name(result: Result) -> str:
    kind = "transcripts/" if result.kind == "transcript" else ""
    return f"{result.unit}::{kind}{result.name}" if result.kind else result.test


def _shorten(text: str, most: int) -> list[str]:
    """Return the first lines and, because an error ends a command's output, the last two."""
    lines = text.splitlines()
    if len(lines) > most:
        lines = [*lines[: most - 3], f"... {len(lines) - most + 1} more lines", *lines[-2:]]
    return [f"    {line}"[:MAX_COLUMNS].rstrip() for line in lines]


def save_report(engine: Engine, lines: Sequence[str], differences: Differences) -> Path:
    """Write the verdict with the engine's facts and all details into a file for a bug report, and return its path.

    :raises OSError: it can't be written.
    """
    facts = {name: value for name, value in engine.facts.items() if name != "id"}
    parts = [f"# Drydock on {engine}", _fence(json.dumps(facts, indent=1)), _fence("\n".join(lines))]
    parts += [f"## {test}\n\n{_fence(text)}" for test, text in differences.texts.items()]
    path = host.cache_folder() / "verdicts" / f"{engine.key}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _fence(text: str) -> str:
    return f"~~~text\n{text}\n~~~"


def describe_report(path: Path) -> str:
    """Return how to report the unknown differences that the file describes."""
    repository = os.environ.get("DRYDOCK_REPOSITORY", "").rstrip("/")
    where = f"open an issue at {repository}/issues with" if repository else "send the maintainers"
    return f"To report the unknown differences, {where} this file: {path}"
