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
from collections.abc import Iterator
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


class _ComposeLoader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Reads a single Compose file as Compose does: without values tagged ``!reset``; ``!override`` changes nothing."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave out what is reset before merge keys are resolved."""
        node.value = [(key, value) for key, value in node.value if value.tag != "!reset"]
        super().flatten_mapping(node)

    def construct_override(self, node: yaml.CollectionNode) -> object:
        """Return the value as if it had no tag."""
        mapping = isinstance(node, yaml.MappingNode)
        return self.construct_mapping(node, deep=True) if mapping else self.construct_sequence(node, deep=True)


_ComposeLoader.add_constructor("!override", _ComposeLoader.construct_override)


def compose_files(example: Example) -> dict[str, str]:
    """Return the texts of the example's Compose files, by path: those with its name, and other YAML with services."""
    texts = {name: example.read(name) for name in example.files if name.endswith((".yaml", ".yml"))}
    return {name: text for name, text in texts.items() if _COMPOSE_NAME.fullmatch(name) or _SERVICES.search(text)}


def check_compose(text: str, path: str) -> Iterator[str]:
    """Yield the faults of a Compose file, each with the keys that lead to it.

    :param path: the file's path, for messages.
    """
    try:
        violations = list(_compose_validator().iter_errors(yaml.load(text, _ComposeLoader)))
    except (yaml.YAMLError, RecursionError) as error:
        yield f"{path}: not YAML: {error}"
        return
    for violation in map(jsonschema.exceptions.best_match, zip(violations, strict=True)):
        keys = ".".join(map(str, violation.absolute_path)) or "top level"
        yield f"{path}: {keys}: {violation.message:.300}"


@functools.cache
def _compose_validator() -> jsonschema.protocols.Validator:
    file = resources.files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def list_scripts(top: Path = ROOT) -> list[str]:
    """Return the paths of the shell scripts, which a first line such as ``#!/bin/sh`` tells."""
    folders = (top / "examples", top / "base-images", top / ".ci")
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [str(path.relative_to(top)) for path in files if re.match(rb"#!.*\b(?:ba)?sh\s*\n", path.read_bytes())]


def main(top: Path = ROOT, *, weekly: bool = False) -> int:
    """Print the faults of the repository `top`, and notices of versions that are old or end soon.

    :param weekly: whether a version that nobody has checked for too long is a fault instead of a notice.
    :return: the exit status.
    """
    known = examples.load_examples(top)
    faults: list[str] = []
    try:
        for slug, example in known.items():
            for name, text in compose_files(example).items():
                faults += check_compose(text, f"examples/{slug}/{name}")
        today = datetime.datetime.now(datetime.UTC).date()
        listed = versions.load_versions(top)
        ended, ending = versions.check_versions(listed, known.values(), today)
        expired, aging = versions.check_ages(listed, today)
        faults += [*ended, *(expired if weekly else [])]
        for notice in [*ending, *aging, *([] if weekly else expired)]:
            print_status(f"notice: {notice}")
    except DrydockError as error:
        faults.append(str(error))
    for fault in faults:
        print_status(fault)
    dockerfiles = [str(path.relative_to(top)) for path in sorted(top.glob("examples/*/Dockerfile"))]
    linters = (["hadolint", "base-images/Dockerfile", *dockerfiles], ["shellcheck", *list_scripts(top)])
    statuses = [subprocess.call(linter, cwd=top, stdin=subprocess.DEVNULL) for linter in linters]
    return 1 if faults or any(statuses) else 0


if __name__ == "__main__":
    sys.exit(main(weekly="--weekly" in sys.argv[1:]))
