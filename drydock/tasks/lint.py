"""Checks the examples' files without an engine.

hadolint checks Dockerfiles, shellcheck checks scripts, Compose files are validated against the schema of the Compose
specification, and the base images have to be supported today.

A ``Dockerfile.<fault>`` is bad on purpose. The test of its example proves how, so it isn't checked here.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import jsonschema
import yaml

from drydock import ROOT
from drydock.errors import DrydockError
from drydock.host import print_status
from drydock.model import example as examples, versions
from drydock.model.example import Example

_COMPOSE_NAME = re.compile(r"(?:.*/)?compose[^/]*\.ya?ml")
#: The line that tells a Compose file of another name, such as a part that another one includes.
_SERVICES = re.compile(r"^services:", re.MULTILINE)
#: Folders with shell scripts.
_SCRIPT_FOLDERS = ("examples", "base-images", ".ci")


def lint_example(example: Example) -> Iterator[str]:
    """Yield the faults of the example's Dockerfile and Compose files."""
    for name in ("Dockerfile", "compose.yaml"):
        example.path(name)  # raises MissingError
    yield from run_linter("hadolint", str((example.root / "Dockerfile").relative_to(ROOT)))
    for name in example.files:
        if _COMPOSE_NAME.fullmatch(name) or (name.endswith((".yaml", ".yml")) and _SERVICES.search(example.read(name))):
            yield from check_compose(example.read(name), f"examples/{example.slug}/{name}")


def check_compose(text: str, path: str) -> Iterator[str]:
    """Yield the faults of a Compose file, each with the keys that lead to it.

    :param path: the file's path, for messages.
    """
    try:
        data = _parse_compose(text)
    except (yaml.YAMLError, RecursionError) as error:
        yield f"{path}: not YAML: {error}"
        return
    for violation in _compose_validator().iter_errors(data):
        cause = jsonschema.exceptions.best_match([violation])
        keys = ".".join(map(str, cause.absolute_path)) or "top level"
        yield f"{path}: {keys}: {cause.message:.300}"


def _parse_compose(text: str) -> object:
    """Return a Compose file as plain data, as Compose reads it: without tags, and without values tagged ``!reset``."""
    loader = yaml.SafeLoader(text)
    root = loader.get_single_node()
    nodes, seen = [root] if root else [], set[int]()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if node.tag.startswith("!"):
            node.tag = f"tag:yaml.org,2002:{ {'mapping': 'map', 'sequence': 'seq', 'scalar': 'str'}[node.id] }"
        if isinstance(node, yaml.MappingNode):
            node.value = [(key, value) for key, value in node.value if value.tag != "!reset"]
            nodes += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
    return loader.construct_document(root) if root else None


@functools.cache
def _compose_validator() -> jsonschema.protocols.Validator:
    file = resources.files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def list_scripts(top: Path = ROOT) -> list[str]:
    """Return the paths of the shell scripts, which a first line such as ``#!/bin/sh`` tells."""
    files = [path for folder in _SCRIPT_FOLDERS for path in sorted((top / folder).rglob("*")) if path.is_file()]
    return [str(path.relative_to(top)) for path in files if re.match(rb"#!.*\b(?:ba)?sh\s*\n", path.read_bytes())]


def run_linter(*command: str) -> Iterator[str]:
    """Yield the report of a linter that finds a fault; it names the file and the line."""
    linter = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=120
    )
    if linter.returncode:
        yield (linter.stdout + linter.stderr).strip() or f"{' '.join(command)}: exit status {linter.returncode}"


def lint_repository() -> Iterator[str]:
    """Yield the faults of everything that this module checks; print the versions whose support ends soon."""
    known = examples.load_examples().values()
    with ThreadPoolExecutor() as pool:
        for faults in pool.map(lambda example: list(lint_example(example)), known):
            yield from faults
    yield from run_linter("hadolint", "base-images/Dockerfile")
    yield from run_linter("shellcheck", *list_scripts())
    today = datetime.datetime.now(datetime.UTC).date()
    ended, ending = versions.check_versions(versions.load_versions(), known, today)
    yield from ended
    for notice in ending:
        print_status(f"notice: {notice}")


def main(faults: Iterable[str]) -> int:
    """Print `faults` and return the exit status."""
    status = 0
    try:
        for fault in faults:
            status = 1
            print_status(fault)
    except DrydockError as error:
        status = 1
        print_status(str(error))
    return status


if __name__ == "__main__":
    sys.exit(main(lint_repository()))
