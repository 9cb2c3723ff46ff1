"""Conditions on the facts of an engine: ``compose >= 5``, ``product = podman and cgroup = 1``, or one engine's key.

A known failure applies to every engine for which its condition holds, so a new engine inherits what is known of its
parts. Versions compare by as many numbers as the condition has: 2.40.3 fulfills ``compose <= 2.40``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from drydock.errors import did_you_mean

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
#: Dimensions with a version. The first two are products; the others are facts.
VERSIONS = ("docker", "podman", "compose", "buildx", "api")
#: Dimension -> its fact and the values that it can have.
CHOICES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "product": ("name", ("docker", "podman")),
    "store": ("store", ("containerd", "overlay2", "overlay", "fuse-overlayfs", "vfs", "btrfs", "zfs")),
    "base_images": ("base_images", ("official", "stand-ins")),
    "cgroup": ("cgroup", ("1", "2")),
    "arch": ("architecture", ("amd64", "arm64", "arm", "386", "ppc64le", "riscv64", "s390x")),
    "rootless": ("rootless", ("yes", "no")),
    "desktop": ("desktop", ("yes", "no")),
    "virtual": ("virtual", ("yes", "no")),
}
#: Facts that only some engines have, and their value on the others.
_DEFAULTS = {"rootless": "no", "desktop": "no", "virtual": "no"}
_KEY = re.compile(r"(docker|podman)-\d+\.\d+(-containerd)?(-virtual)?")
_TERM = re.compile(r"(?P<name>\w+)\s*(?P<compare>[<>=!~]+)\s*(?P<value>\S+)")


def engine_key(facts: Mapping[str, str]) -> str:
    """Return the key of an engine's evidence, such as ``docker-28.5`` or ``docker-29.7-containerd``.

    That of an engine in Drydock's virtual machine ends with ``-virtual``: its times are those of an emulated CPU.
    """
    version = ".".join(facts["version"].split(".")[:2])
    store = "-containerd" if facts["store"] == "containerd" else ""
    return f"{facts['name'].lower()}-{version}{store}" + ("-virtual" if "virtual" in facts else "")


def parse_version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    return tuple(int(number) for number in re.findall(r"\d+", text))


class _Term(NamedTuple):
    """A comparison. The name "" compares the engine's key."""

    name: str
    compare: str
    value: str

    def holds(self, facts: Mapping[str, str]) -> bool:
        if not self.name:
            return engine_key(facts) == self.value
        if self.name in CHOICES:
            fact = CHOICES[self.name][0]
            return _COMPARE[self.compare](facts.get(fact, _DEFAULTS.get(fact, "")).lower(), self.value)
        product = self.name in CHOICES["product"][1]
        if product and facts["name"].lower() != self.name:
            return False
        bound = parse_version(self.value)
        version = parse_version(facts.get("version" if product else self.name, ""))[: len(bound)]
        return bool(version) and _COMPARE[self.compare](version, bound)


def condition_holds(condition: str, facts: Mapping[str, str]) -> bool:
    """Return whether the engine with these facts fulfills the condition. A fact that is missing fulfills none.

    :raises ValueError: see :func:`parse_condition`.
    """
    return all(term.holds(facts) for term in parse_condition(condition))


def parse_condition(condition: str) -> list[_Term]:
    """Return the comparisons that ``and`` joins in the condition.

    :raises ValueError: a comparison has an unknown dimension, operator, or value; the message has the valid ones.
    """
    return [_parse_term(text.strip(), condition) for text in re.split(r"\s+and\s+", condition)]


def _parse_term(text: str, condition: str) -> _Term:
    if _KEY.fullmatch(text):
        return _Term("", "=", text)
    where = f"in the condition {condition!r}, "
    term = _TERM.fullmatch(text)
    if not term:
        raise ValueError(f"{where}{text!r} is neither an engine (docker-28.5) nor a comparison (api >= 1.52)")
    name, compare, value = term.group("name", "compare", "value")
    if name not in (*VERSIONS, *CHOICES):
        raise ValueError(f"{where}no dimension {name!r}{did_you_mean(name, (*VERSIONS, *CHOICES))}")
    operators = ("=", "!=") if name in CHOICES else tuple(_COMPARE)
    if compare not in operators:
        raise ValueError(f"{where}no operator {compare!r} for {name}; there are: {', '.join(operators)}")
    if name in CHOICES and value not in CHOICES[name][1]:
        raise ValueError(f"{where}no {name} {value!r}{did_you_mean(value, CHOICES[name][1])}")
    if name in VERSIONS and not re.fullmatch(r"\d+(\.\d+)*", value):
        raise ValueError(f"{where}{value!r} is not a version such as 5 or 2.40")
    return _Term(name, compare, value)
