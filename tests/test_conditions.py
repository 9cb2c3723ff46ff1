"""Conditions on the facts of an engine."""

from __future__ import annotations

import pytest

from drydock.model.conditions import condition_holds, engine_key, parse_condition

DOCKER = {
    "name": "Docker",
    "version": "29.7.2",
    "api": "1.52",
    "store": "containerd",
    "architecture": "arm64",
    "compose": "5.6.1",
    "buildx": "0.36.1",
    "base_images": "official",
    "cgroup": "2",
    "desktop": "yes",
}
PODMAN = {"name": "Podman", "version": "5.4.2", "api": "1.41", "store": "overlay", "compose": "2.26.1", "cgroup": "1"}


@pytest.mark.parametrize(
    ("condition", "on_docker", "on_podman"),
    [
        ("compose >= 5", True, False),
        ("compose > 5", False, False),  # 5.6.1 is a 5
        ("compose <= 2.26", False, True),
        ("compose < 2.40", False, True),
        ("compose = 5.6", True, False),
        ("compose != 5", False, True),
        ("api >= 1.52", True, False),
        ("api < 1.44", False, True),
        ("buildx >= 0.36", True, False),  # the other one's is unknown
        ("buildx < 0.36", False, False),
        ("docker >= 29", True, False),
        ("docker < 30", True, False),
        ("podman >= 5", False, True),
        ("product = podman", False, True),
        ("product != podman", True, False),
        ("store = containerd", True, False),
        ("base_images = official", True, False),
        ("cgroup = 2", True, False),
        ("arch = arm64", True, False),
        ("rootless = yes", False, False),
        ("rootless = no", True, True),
        ("desktop = yes", True, False),
        ("docker-29.7-containerd", True, False),
        ("docker-29.7", False, False),
        ("podman-5.4", False, True),
        ("product = podman and cgroup = 1", False, True),
        ("product = podman and cgroup = 2", False, False),
        ("docker-29.7-containerd and compose >= 5", True, False),
    ],
)
def test_a_condition_holds_by_the_facts(condition, on_docker, on_podman):
    """A condition holds on each engine whose facts fulfill it, and on no other."""
    assert (condition_holds(condition, DOCKER), condition_holds(condition, PODMAN)) == (on_docker, on_podman)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("compos >= 5", "no dimension 'compos'; did you mean compose?"),
        ("compose => 5", "no operator '=>' for compose; there are: <=, >=, !=, =, <, >"),
        ("compose >= five", "'five' is not a version such as 5 or 2.40"),
        ("store > overlay2", "no operator '>' for store; there are: =, !="),
        ("store = contained", "no store 'contained'; did you mean containerd?"),
        ("cgroup = v2", "no cgroup 'v2'"),
        ("podman", "'podman' is neither an engine (docker-28.5) nor a comparison"),
        ("docker-28", "'docker-28' is neither an engine"),
        ("", "'' is neither"),
        ("cgroup = 2 and ", "in the condition 'cgroup = 2 and ', "),
        ("cgroup = 2 or arch = arm64", "'cgroup = 2 or arch = arm64' is neither"),
    ],
)
def test_a_wrong_condition_is_refused(condition, problem):
    """An unknown dimension, operator, or value is an error that names the valid ones."""
    with pytest.raises(ValueError, match="condition") as caught:
        parse_condition(condition)
    assert problem in str(caught.value)


def test_a_version_without_digits_fulfills_nothing():
    """An engine built from source can have the version `dev`: its key has that, and no comparison holds."""
    facts = {"name": "Docker", "version": "dev", "store": "overlay2"}

    assert engine_key(facts) == "docker-dev"
    assert not condition_holds("docker >= 1", facts)
    assert not condition_holds("docker < 99", facts)


def test_the_virtual_machine_has_its_own_evidence():
    """The key of an engine in the virtual machine differs, and it is a dimension of its own."""
    facts = {**DOCKER, "virtual": "yes"}

    assert engine_key(facts) == f"{engine_key(DOCKER)}-virtual"
    assert condition_holds(f"{engine_key(DOCKER)}-virtual", facts)
    assert condition_holds("virtual = yes", facts)
    assert condition_holds("virtual = no", DOCKER)
