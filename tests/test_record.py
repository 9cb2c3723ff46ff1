"""What a transcript needs of an engine."""

from __future__ import annotations

import pytest

from drydock import record
from drydock.engine import Engine
from drydock.transcript import parse

FACTS = {
    "name": "Docker",
    "version": "28.5.2",
    "store": "overlay2",
    "architecture": "amd64",
    "base_images": "stand-ins",
}


@pytest.mark.parametrize(
    ("facts", "needs", "lacking"),
    [
        ({}, "docker-28 overlay2-store amd64", ""),
        ({"version": "29.0.1"}, "docker-28", ""),
        ({"version": "26.1.5"}, "docker-28", "Docker 28 or later"),
        ({"store": "containerd"}, "overlay2-store", "overlay2-store"),
        ({}, "docker-hub containerd-store", "containerd-store, docker-hub"),
        ({"base_images": "official"}, "docker-hub", ""),
        ({"name": "Podman"}, "amd64", "Docker's own client and builder"),
    ],
)
def test_missing_needs(facts, needs, lacking):
    """What a step needs and the engine has not is named; for Podman, all transcripts show another's output."""
    found = record.missing_needs(parse(f"#% needs {needs}\n$ true\n", "t.console"), Engine({}, facts=FACTS | facts))

    assert found.startswith(lacking)
    assert bool(found) == bool(lacking)
