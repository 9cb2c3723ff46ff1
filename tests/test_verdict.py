"""What was never recorded about an engine."""

from __future__ import annotations

import pytest

from drydock.testing import verdict
from drydock.testing.results import Result
from drydock.testing.verdict import Differences

OLD = {
    "name": "Docker",
    "version": "28.5.2",
    "store": "overlay2",
    "compose": "5.6.1",
    "cgroup": "1",
    "architecture": "amd64",
}
NEW = {**OLD, "version": "29.7.2", "store": "containerd", "compose": "5.7.0", "api": "1.52"}
RECORDED = {"docker-28.5": [OLD], "docker-29.7-containerd": [NEW], "podman-5.4": [{**OLD, "name": "Podman"}]}


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        (OLD, []),
        ({**NEW, "version": "29.7.9", "compose": "5.7.3"}, []),  # patch releases are no news
        ({**OLD, "api": "1.51", "buildx": "0.36.1"}, []),  # nothing to compare with
        ({**NEW, "api": "1.53"}, ["Docker API 1.53: never recorded (newest recorded: Docker API 1.52)"]),
        (
            {**NEW, "version": "29.9.0", "compose": "5.10.1"},
            [
                "Docker 29.9: never recorded (newest recorded: Docker 29.7)",
                "Compose 5.10: never recorded (newest recorded: Compose 5.7)",
            ],
        ),
        ({**NEW, "cgroup": "2"}, ["cgroup version 2: never recorded (only cgroup version 1)"]),
        ({**NEW, "architecture": "arm64"}, ["architecture arm64: never recorded (only architecture amd64)"]),
        ({**NEW, "rootless": "yes"}, ["rootless: yes: never recorded (only rootless: no)"]),
        (
            {**OLD, "compose": "5.7.0"},
            ["each part of it was recorded, but never together; nearest is docker-28.5 with Compose 5.6"],
        ),
        ({**OLD, "name": "Other"}, ["Other 28.5: nothing was ever recorded on Other"]),
    ],
)
def test_what_was_never_recorded(facts, lines):
    """Each part of an engine that no evidence has is named with the newest that has been recorded."""
    assert verdict.list_unrecorded(facts, RECORDED) == lines


@pytest.mark.parametrize("kind", ["claim", "transcript"])
def test_a_long_difference_is_cut(kind):
    """The verdict has the first lines of a difference and the last two; the file has all of them."""
    failed = Result("tests/examples/test_a.py::test_b", "a", "failed", kind=kind, name="b")
    most = verdict.MAX_LINES[kind]
    text = "\n".join(str(number) for number in range(most + 5))
    lines = list(verdict.describe_run([failed], Differences({failed.test: text}, {failed.test: text})))

    assert lines[:2] == [f"0 of 1 {kind}s that ran hold on this engine.", "Unknown differences (1):"]
    assert lines[3:5] == ["    0", "    1"]
    assert lines[-4:] == [f"    {most - 4}", "    ... 6 more lines", f"    {most + 3}", f"    {most + 4}"]
    assert len(lines) == 3 + most


def test_the_facts_of_the_evidence():
    """The engines of this repository's evidence are recorded: nothing is new about any of them."""
    recorded = verdict.recorded_facts()

    assert "docker-26.1" in recorded
    assert not [
        line for runs in recorded.values() for facts in runs for line in verdict.list_unrecorded(facts, recorded)
    ]
