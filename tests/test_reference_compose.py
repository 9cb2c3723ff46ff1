"""The page on Compose files is held to the examples: a row for each key that they use, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from drydock import ROOT

PAGE = ROOT / "docs" / "reference" / "compose.md"
#: The headings under which the rows are, and what a key of theirs begins with.
PARTS = {"The keys of a service": "services", "The keys next to the services": ""}
#: The keys of a file below which the first name is the author's own.
NAMED = {"services", "networks", "volumes", "secrets", "configs"}
#: The keys of a service with names of the author's own in them, by what is below such a name.
FREE = {
    ("services", "build", "additional_contexts"): False,
    ("services", "build", "args"): False,
    ("services", "depends_on"): True,
    ("services", "environment"): False,
    ("services", "extra_hosts"): False,
    ("services", "labels"): False,
    ("services", "logging", "options"): False,
    ("services", "networks"): True,
    ("services", "ulimits"): False,
}

Path_ = tuple[str, ...]


class Loader(yaml.SafeLoader):
    """Reads Compose's own tags too."""


Loader.add_multi_constructor("!", lambda loader, _, node: _untagged(loader, node))  # type: ignore[no-untyped-call]


def _untagged(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else None


def keys(found: Any, above: Path_ = ()) -> Iterator[Path_]:
    """Yield the keys of a Compose file, without the names that are its author's own."""
    if isinstance(found, list):
        for each in found:
            yield from keys(each, above)
    elif isinstance(found, dict):
        own = (len(above) == 1 and above[0] in NAMED) or above in FREE
        for name, value in found.items():
            here = above if own else (*above, "x-" if str(name).startswith("x-") else str(name))
            if not own:
                yield here
            if here[-1:] != ("x-",) and FREE.get(above, True):
                # What is below a name of the author's own has keys again, and no more such names.
                yield from _below(value, here) if own else keys(value, here)


def _below(found: Any, above: Path_) -> Iterator[Path_]:
    for name, value in found.items() if isinstance(found, dict) else ():
        yield (*above, name)
        yield from keys(value, (*above, name))


def used(file: Path) -> set[Path_]:
    """Return the keys that a Compose file uses."""
    return set(keys(yaml.load(file.read_text(encoding="utf-8"), Loader)))


def rows() -> dict[Path_, str]:
    """Return the page's rows: the key, and the example that its last cell names."""
    found: dict[Path_, str] = {}
    part = None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            part = PARTS.get(line[3:])
        row = re.match(r"\| `([\w.-]+)` \|.*\| \[([\w-]+)\]\(\.\./examples/[\w-]+\.md\) \|$", line)
        if row and part is not None:
            found[tuple(word for word in (part, *row[1].split(".")) if word)] = row[2]
    return found


def shown(keys_: set[Path_]) -> list[str]:
    """Return keys as a person would write them."""
    return sorted(".".join(key) for key in keys_)


@pytest.fixture(scope="module")
def files() -> dict[str, set[Path_]]:
    """The keys that each example uses, in all its Compose files."""
    found: dict[str, set[Path_]] = {}
    for file in sorted((ROOT / "examples").glob("*/compose*.y*ml")):
        found.setdefault(file.parent.name, set()).update(used(file))
    return found


def test_names_are_no_keys(tmp_path):
    """The keys of a file are those of Compose; the names of services, variables and the like are left out."""
    (tmp_path / "compose.yaml").write_text(
        "x-a: {b: 1}\n"
        "services:\n"
        "  web:\n"
        "    build: {context: ., args: {VERSION: 1}}\n"
        "    depends_on: {db: {condition: service_started}}\n"
        "    networks: {back: {aliases: [x]}, front: }\n"
        "    ports: !override ['1']\n"
        "    volumes: [{type: bind, bind: {create_host_path: false}}, 'data:/data']\n"
        "volumes: {data: }\n"
        "networks: {back: {internal: true}}\n"
    )

    assert shown(used(tmp_path / "compose.yaml")) == [
        "networks",
        "networks.internal",
        "services",
        "services.build",
        "services.build.args",
        "services.build.context",
        "services.depends_on",
        "services.depends_on.condition",
        "services.networks",
        "services.networks.aliases",
        "services.ports",
        "services.volumes",
        "services.volumes.bind",
        "services.volumes.bind.create_host_path",
        "services.volumes.type",
        "volumes",
        "x-",
    ]


def test_every_key_has_a_row(files):
    """Each key that a Compose file of an example uses is on the page, and the page has no key that none uses."""
    every = set().union(*files.values())

    assert shown(every - set(rows())) == [], "no row on docs/reference/compose.md"
    assert shown(set(rows()) - every) == [], "no example uses it any more"


def test_every_row_names_an_example_that_uses_the_key(files):
    """The example that a row leads to has the key."""
    wrong = {".".join(key): slug for key, slug in rows().items() if key not in files.get(slug, set())}

    assert wrong == {}
