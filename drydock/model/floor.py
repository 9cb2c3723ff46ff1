"""The floor: lower bounds for the numbers of blocks, claims, commands and transcripts.

A run of all tests and each build of the site compare their counts with it, so that none gets lost unnoticed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from drydock import ROOT, store

FLOOR_FILE = PurePosixPath("evidence/reports/floor.json")


@dataclass(frozen=True)
class Floor:
    """The lower bounds."""

    blocks: int = 0
    claims: int = 0
    commands: int = 0
    transcripts: int = 0

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0:
            raise ValueError("a count is negative")

    def find_shortfalls(self, counts: Mapping[str, int]) -> list[str]:
        """Return a message for each of the `counts`, by kind, that is below its bound."""
        return [
            f"{count} {kind}, but {FLOOR_FILE} has {bound}: find out which are missing; "
            f"if you removed them on purpose, run: {'nox -s docs -- floor' if kind == 'blocks' else 'nox -s record'}"
            for kind, count in counts.items()
            if count < (bound := getattr(self, kind))
        ]


def load_floor(top: Path = ROOT) -> Floor:
    """Return the floor; every bound is 0 if there is no file.

    :raises MalformedError: the file isn't JSON with these counts.
    """
    path = top / FLOOR_FILE
    return store.load_json(Floor, path, FLOOR_FILE, f"run: git restore {FLOOR_FILE}") if path.is_file() else Floor()


def set_floor(top: Path = ROOT, **counts: int) -> bool:
    """Set the bounds of these kinds, ``blocks=1896``, and return whether the file changed."""
    return store.save_json(top / FLOOR_FILE, dataclasses.replace(load_floor(top), **counts))
