"""The checks of the examples' files that need no engine."""

from __future__ import annotations

import datetime
import re

import pytest

from drydock import ROOT
from drydock.model import example as examples
from drydock.tasks import lint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services:\n  web:\n    imge: x\n", "services.web: Unevaluated properties are not allowed ('imge' was"),
        ("services:\n  web:\n    ports: {80: 80}\n", "services.web.ports: {80: 80} is not of type 'array'"),
        (
            "services:\n  web:\n    depends_on: {db: {condition: ready}}\n",
            "services.web.depends_on.db.condition: 'ready'",
        ),
        ("service: {}\n", "top level: 'service' does not match"),
        ("services: [\n", "line 2, column 1"),
        ("services: &all [*all]\n", "services: [[...]] is not of type 'object'"),
        ("", "top level: None is not of type 'object'"),
    ],
)
def test_compose_fault(text, message):
    """A Compose file that breaks the schema is reported with the file and the keys that lead to the fault."""
    faults = list(lint.check_compose(text, "examples/web/compose.yaml"))

    assert faults
    assert faults[0].startswith("examples/web/compose.yaml: ")
    assert message in faults[0]


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  web:\n    build: {context: ., target: !reset null}\n    ports: !reset []\n",
        "services:\n  web:\n    depends_on: !override\n      db: {condition: service_started}\n",
        "x-base: &base {image: a}\nservices:\n  web:\n    <<: *base\n"
        "    develop: {watch: [{action: sync, path: a, target: /a}]}\n",
        "include: [parts/web.yaml]\nservices:\n  web:\n    extends: {service: base, file: parts/base.yaml}\n",
        "services:\n  web:\n    image: a\n    ports: ['${PORT:-8000}:80']\n    mem_limit: ${LIMIT:-64m}\n",
    ],
)
def test_compose_features_pass(text):
    """Compose's own tags, merge keys, includes, extensions, and variables are no faults."""
    assert list(lint.check_compose(text, "compose.yaml")) == []


def test_compose_files_are_found():
    """Compose files are known by their names, or by their services; other YAML is left out."""
    found = {slug: lint.compose_files(example) for slug, example in examples.load_examples().items()}

    assert {"compose.yaml", "compose.override.yaml", "parts/worker.yaml"} <= set(found["compose-merge"])
    assert {"compose.yaml", "stack.yaml"} <= set(found["beyond-one-host"])
    assert not [name for name in found["beyond-one-host"] if "kubernetes" in name]
    assert list(found["ci-pipeline"]) == ["compose.yaml"]
    assert all("compose.yaml" in files for files in found.values())


def test_scripts_are_found_by_their_first_line(tmp_path):
    """Shell scripts are found with any name or none; other scripts aren't."""
    (tmp_path / "examples").mkdir()
    for name, line in {"greet": "#!/bin/sh", "a.sh": "#!/usr/bin/env bash", "b.py": "#!/usr/bin/python3"}.items():
        (tmp_path / "examples" / name).write_text(f"{line}\n")

    assert lint.list_scripts(tmp_path) == ["examples/a.sh", "examples/greet"]


@pytest.fixture
def repository(tmp_path):
    """A repository with one example, in which nothing is wrong."""
    for name, text in {
        "docs/reference/versions.toml": (ROOT / "docs/reference/versions.toml").read_text(),
        "base-images/Dockerfile": "FROM scratch\n",
        "examples/web/Dockerfile": "FROM scratch\nUSER 1000\n",
        "examples/web/README.md": "# Web\n\nA server.\n",
        "examples/web/compose.yaml": "services: {web: {build: .}}\n",
        "examples/web/greet": "#!/bin/sh\necho hello\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_good_repository_passes(repository):
    """A repository without a fault ends with exit status 0."""
    assert lint.main(repository) == 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("examples/web/Dockerfile", "FROM debian\n", "examples/web/Dockerfile:1"),
        ("base-images/Dockerfile", "FROM scratch\nADD a b\n", "base-images/Dockerfile:2"),
        ("examples/web/compose.yaml", "services: {web: {imge: x}}\n", "examples/web/compose.yaml: services.web: "),
        ("examples/web/greet", "#!/bin/sh\necho $1\n", "In examples/web/greet line 2:"),
        ("examples/web/compose.yaml", "services:\n  web:\n    image: debian:9\n", "debian:9"),
        ("docs/reference/versions.toml", "[[base]]\n", "versions.toml"),
    ],
)
def test_a_fault_fails_the_session(repository, name, text, message, capfd):
    """Each linter's fault is shown with its file, and the exit status is 1."""
    (repository / name).write_text(text)

    assert lint.main(repository) == 1
    assert message in capfd.readouterr().out


@pytest.mark.parametrize(("weekly", "status", "before"), [(False, 0, "notice: "), (True, 1, "")])
def test_only_the_weekly_run_fails_for_an_old_row(repository, weekly, status, before, capfd):
    """A row that was last checked more than 120 days ago is a notice, and a fault of the weekly run."""
    file = repository / "docs/reference/versions.toml"
    today = datetime.datetime.now(datetime.UTC).date()
    dates = iter([datetime.date(2024, 1, 1)])
    file.write_text(re.sub(r"checked = .*", lambda _: f"checked = {next(dates, today)}", file.read_text()))

    assert lint.main(repository, weekly=weekly) == status
    assert f"drydock: {before}docs/reference/versions.toml: debian:trixie-slim: last checked " in capfd.readouterr().out
