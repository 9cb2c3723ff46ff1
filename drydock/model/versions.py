"""Versions: which base images there are to be, until when each is supported, and whether the examples keep to them.

The dates are in ``docs/reference/versions.toml``, which the site shows and `nox -s lint` holds the examples to.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from drydock import ROOT
from drydock.errors import MalformedError, did_you_mean
from drydock.model.example import Example

FILE = "docs/reference/versions.toml"
#: Days before the end of a base image's support from which on it is announced.
AHEAD = 90

_FROM = re.compile(r"^FROM\s+(?:--platform=\S+\s+)?(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?\s*$", re.IGNORECASE)
_IMAGE = re.compile(r"^\s+image:\s*[\"']?(?P<image>[^\s\"'#]+)")


@dataclass(frozen=True)
class Base:
    """A base image that examples may use.

    :ivar image: as a Dockerfile names it, ``postgres:17``.
    :ivar release: what is in it.
    :ivar source: where its support is announced, a URL.
    :ivar checked: when this was last compared with the source.
    :ivar ends: the last day of its support; None where none is announced.
    """

    image: str
    release: str
    source: str
    checked: datetime.date
    ends: datetime.date | None = None
    note: str = ""


@dataclass(frozen=True)
class Program:
    """A program that a reader has on the machine, with its newest version on the day it was checked."""

    name: str
    version: str
    source: str
    checked: datetime.date
    note: str = ""


@dataclass(frozen=True)
class Versions:
    """What is current.

    :ivar bases: by image.
    """

    bases: dict[str, Base]
    programs: tuple[Program, ...]


def load_versions(top: Path = ROOT) -> Versions:
    """Return what ``docs/reference/versions.toml`` says.

    :raises MalformedError: it is not TOML, or a row has other fields or other types.
    """
    try:
        data = tomllib.loads((top / FILE).read_text(encoding="utf-8"))
        bases = [Base(**_dated(row)) for row in data["base"]]
        programs = tuple(Program(**_dated(row)) for row in data["program"])
        return Versions({base.image: base for base in bases}, programs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(FILE, 0, f"not versions ({type(error).__name__}: {error})") from error


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        wanted = datetime.date if name in ("ends", "checked") else str
        if type(value) is not wanted:
            raise TypeError(f"{name} = {value!r} is not a {wanted.__name__}")
    return row


def used_images(example: Example) -> Iterator[tuple[str, str]]:
    """Yield each image from elsewhere that the example's files name, behind its place ``path:line``."""
    for name in example.files:
        stages: set[str] = {"scratch"}
        pattern = _pattern(name)
        for number, line in enumerate(example.read(name).splitlines() if pattern else (), start=1):
            found = pattern.match(line) if pattern else None
            if found and found["image"] not in stages and "$" not in found["image"]:
                yield f"examples/{example.slug}/{name}:{number}", found["image"]
            if found and pattern is _FROM and found["stage"]:
                stages.add(found["stage"])


def _pattern(name: str) -> re.Pattern[str] | None:
    base = PurePosixPath(name).name
    if base.startswith("Dockerfile") and not base.endswith(".dockerignore"):
        return _FROM
    return _IMAGE if base.startswith("compose") and base.endswith((".yaml", ".yml")) else None


def image_users(examples: Iterable[Example]) -> dict[str, list[Example]]:
    """Return the examples that use each image from elsewhere."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        for image in {image for _, image in used_images(example)}:
            found.setdefault(image, []).append(example)
    return found


def check_versions(
    versions: Versions, examples: Iterable[Example], today: datetime.date
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the images that `examples` use `today`, and what soon will be.

    An image that begins with the example's slug is its own.
    """
    wrong, soon = [], []
    for example in examples:
        for place, image in used_images(example):
            base = versions.bases.get(image)
            if base is None:
                if not image.startswith(example.slug):
                    wrong.append(f"{place}: {image} is not in {FILE}{did_you_mean(image, versions.bases)}")
            elif base.ends and base.ends < today:
                wrong.append(f"{place}: the support of {image} ended on {base.ends}")
            elif base.ends and (base.ends - today).days <= AHEAD:
                soon.append(f"{place}: the support of {image} ends on {base.ends}")
    return wrong, soon
