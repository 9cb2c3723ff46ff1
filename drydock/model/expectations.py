"""What the tests expect of single examples, apart from the rules for all: ``tests/examples/<slug>.toml``.

Each example has at most one such file. Its sections, all of them optional:

.. code-block:: toml

    [exercise]                       # a copy with a fault to find, for a concept page; the example is the solution
    page = "concepts/layers"
    path = "Dockerfile"
    old = "COPY requirements.txt ."  # occurs once in the file
    new = "COPY . ."                 # takes its place
    task = "Each edit installs ..."  # Markdown, one paragraph
    claims = ["test_good_order"]     # fail while the fault is there

    [hardening]                      # services that may do more than others, by Compose file and name
    "compose.yaml web" = { lacks = ["read_only"], why = "a reader writes next to the mount" }

    [conventions]                    # Dockerfiles and services that differ from the others
    "Dockerfile.shell" = { lacks = ["list"], why = "it compares the two forms" }

    [[mutants]]                      # faults besides those that follow from the files
    path = "Dockerfile"
    old = "USER 10001"
    new = "USER 0"
    claim = "test_not_root"          # has to fail; any test if left out

    [equivalent]                     # faults that no test can notice
    "Dockerfile: drop USER 10001" = "why nothing changes"

    [known_failures."compose < 2.40"]   # claims and transcripts that don't hold on such engines; they have to fail
    "It has no such option" = ["test_greets", "transcripts/first-run"]

    [flaky."product = podman"]       # the same, where they hold now and then; they are skipped
    "It is slow now and then" = ["test_speed"]

:mod:`drydock.model.conditions` has the conditions of the last two.
``tests/test_security.py`` and ``tests/test_conventions.py`` have the rules that `lacks` refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drydock import ROOT, store
from drydock.model.conditions import parse_condition

#: The folder of the files, in the repository.
FOLDER = Path("tests/examples")


@dataclass(frozen=True)
class Exercise:
    """A copy of an example with a fault to find. The docstring of the module describes the keys of each section."""

    page: str
    path: str
    old: str
    new: str
    task: str
    claims: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.claims:
            raise ValueError("no claims: nothing would notice the fault")
        if not self.old or self.old == self.new:
            raise ValueError("old has to be text that new changes")


@dataclass(frozen=True)
class Exemption:
    """Rules that a service or Dockerfile doesn't follow, and the reason."""

    lacks: tuple[str, ...]
    why: str

    def __post_init__(self) -> None:
        if not self.lacks or not self.why:
            raise ValueError("an exemption says what is lacking, and why")


@dataclass(frozen=True)
class ListedMutant:
    """A fault in one file."""

    path: str
    old: str
    new: str
    claim: str = ""


#: Condition on the engine -> reason -> tests of the example.
Failures = Mapping[str, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Expectations:
    """One file."""

    exercise: Exercise | None = None
    hardening: Mapping[str, Exemption] = field(default_factory=dict)
    conventions: Mapping[str, Exemption] = field(default_factory=dict)
    mutants: tuple[ListedMutant, ...] = ()
    equivalent: Mapping[str, str] = field(default_factory=dict)
    known_failures: Failures = field(default_factory=dict)
    flaky: Failures = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(self.equivalent.values()):
            raise ValueError("equivalent has a mutant without a reason")
        for condition, reasons in (*self.known_failures.items(), *self.flaky.items()):
            parse_condition(condition)
            if "" in reasons:
                raise ValueError("a known failure has no reason")


def expectations_file(slug: str) -> Path:
    """Return the path of the example's file, in the repository."""
    return FOLDER / f"{slug}.toml"


def load_expectations(slug: str, top: Path = ROOT) -> Expectations:
    """Return the expectations of the example `slug`; without a file, there are none.

    :raises MalformedError: the file isn't TOML, or has an unknown section, an unknown key, or a wrong value.
    """
    path = top / expectations_file(slug)
    return store.load_toml(Expectations, path, expectations_file(slug)) if path.exists() else Expectations()


def load_all_expectations(top: Path = ROOT) -> dict[str, Expectations]:
    """Return the expectations of all examples that have some, by slug.

    :raises MalformedError: see :func:`load_expectations`.
    """
    slugs = sorted(path.stem for path in (top / FOLDER).glob("*.toml"))
    return {slug: load_expectations(slug, top) for slug in slugs}
