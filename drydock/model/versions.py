"""The permitted base images, the end of support of each, and a check of the examples against them.

The data is in ``docs/reference/versions.toml``; the site shows it, and `nox -s lint` checks the examples.
"""

from __future__ import annotations

import datetime
import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT, store
from drydock.errors import did_you_mean
from drydock.model.example import Example
from drydock.model.recipes import compose_images, dockerfile_images, is_compose_file, is_dockerfile

VERSIONS_FILE = "docs/reference/versions.toml"
#: Days before the end of a base image's support in which it is announced.
NOTICE_DAYS = 90
#: Days after which a row must be compared with its source again: after the first a notice, after the second a fault.
AGING_DAYS, EXPIRED_DAYS = 60, 120


@dataclass(frozen=True, kw_only=True)
class _Sourced:
    """An entry with its source.

    :ivar source: HTTPS address of the announcement.
    :ivar checked: day of the last comparison with the source.
    """

    source: str
    checked: datetime.date
    note: str = ""

    def __post_init__(self) -> None:
        if not self.source.startswith("https://"):
            raise ValueError(f"the source {self.source!r} is not an https:// address")


@dataclass(frozen=True)
class Base(_Sourced):
    """A base image that examples may use.

    :ivar image: as a Dockerfile names it, ``postgres:17``.
    :ivar release: the distribution or program in it.
    :ivar ends: last day of its support; None if none is announced.
    """

    image: str
    release: str
    ends: datetime.date | None = None


@dataclass(frozen=True)
class Program(_Sourced):
    """A program on the reader's machine, and its newest version on the day it was checked."""

    name: str
    version: str


@dataclass(frozen=True)
class EngineSource:
    """Where an engine comes from, and why the examples run on it.

    :ivar key: that of its evidence, which has its versions.
    """

    key: str
    origin: str
    role: str


@dataclass(frozen=True)
class Versions:
    """The content of the file, with the names of its tables."""

    base: tuple[Base, ...]
    program: tuple[Program, ...]
    engine: tuple[EngineSource, ...] = ()

    def __post_init__(self) -> None:
        if not self.base or not self.program:
            raise ValueError("there has to be at least one [[base]] and one [[program]]")
        names = Counter(
            [
                *(base.image for base in self.base),
                *(row.name for row in self.program),
                *(row.key for row in self.engine),
            ]
        )
        name, count = names.most_common(1)[0]
        if count > 1:
            raise ValueError(f"{name} is listed twice")

    @functools.cached_property
    def bases(self) -> dict[str, Base]:
        """The base images, by name."""
        return {base.image: base for base in self.base}


def load_versions(top: Path = ROOT) -> Versions:
    """Return the content of ``docs/reference/versions.toml``.

    :raises MalformedError: it isn't TOML, or a row has other fields or types.
    """
    return store.load_toml(Versions, top / VERSIONS_FILE, VERSIONS_FILE)


def check_ages(versions: Versions, today: datetime.date) -> tuple[list[str], list[str]]:
    """Return the messages about the rows that expired, and about those that soon will."""
    expired, aging = list[str](), list[str]()
    for name, row in {**versions.bases, **{program.name: program for program in versions.program}}.items():
        age = (today - row.checked).days
        if age > AGING_DAYS:
            (expired if age > EXPIRED_DAYS else aging).append(
                f"{VERSIONS_FILE}: {name}: last checked {age} days ago, on {row.checked}. Compare the row with "
                f"{row.source}, correct it, and set `checked` to the day on which you did"
            )
    return expired, aging


def used_images(example: Example) -> Iterator[tuple[str, str]]:
    """Yield the place, ``path:line``, and the name of each external image in the example's files.

    :raises MalformedError: a Compose file isn't YAML.
    """
    for name in example.files:
        shown = f"examples/{example.slug}/{name}"
        images: Iterable[tuple[int, str]] = ()
        if is_dockerfile(name):
            images = dockerfile_images(example.read(name))
        elif is_compose_file(name):
            images = compose_images(example.read(name), shown)
        yield from ((f"{shown}:{number}", image) for number, image in images)


def image_users(examples: Iterable[Example]) -> dict[str, list[Example]]:
    """Return the examples that use each external image."""
    users: dict[str, list[Example]] = {}
    for example in examples:
        for image in {image for _, image in used_images(example)}:
            users.setdefault(image, []).append(example)
    return users


def check_versions(
    versions: Versions, examples: Iterable[Example], today: datetime.date
) -> tuple[list[str], list[str]]:
    """Return the problems with the images that `examples` use `today`, and those that are coming.

    An image whose name starts with the example's slug is built by the example.
    """
    problems, notices = [], []
    for example in examples:
        for place, image in used_images(example):
            base = versions.bases.get(image)
            if base is None:
                if not image.startswith(example.slug):
                    problems.append(f"{place}: {image} is not in {VERSIONS_FILE}{did_you_mean(image, versions.bases)}")
            elif base.ends and base.ends < today:
                problems.append(f"{place}: the support of {image} ended on {base.ends}")
            elif base.ends and (base.ends - today).days <= NOTICE_DAYS:
                notices.append(f"{place}: the support of {image} ends on {base.ends}")
    return problems, notices
