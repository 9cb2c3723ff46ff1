"""The checks of the examples' files that need no engine."""

from __future__ import annotations

import pytest

from drydock.errors import MissingError
from drydock.model import example as examples
from drydock.model.example import Example
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
        ("services: &all [*all]\n", "services: "),
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


def test_every_compose_file_is_checked(monkeypatch):
    """Compose files are known by their names, or by their services; other YAML is left alone."""
    checked = []
    monkeypatch.setattr(lint, "run_linter", lambda *command: ())
    monkeypatch.setattr(lint, "check_compose", lambda text, path: checked.append(path) or [])
    for slug in ("compose-merge", "beyond-one-host", "ci-pipeline"):
        assert list(lint.lint_example(examples.load_examples()[slug])) == []

    assert "examples/compose-merge/compose.override.yaml" in checked
    assert "examples/compose-merge/parts/worker.yaml" in checked
    assert "examples/beyond-one-host/stack.yaml" in checked
    assert "examples/ci-pipeline/compose.yaml" in checked
    assert not [path for path in checked if "kubernetes" in path or ".gitlab-ci" in path]


def test_an_example_needs_its_files(tmp_path):
    """An example without a Dockerfile is refused."""
    with pytest.raises(MissingError, match="Dockerfile"):
        list(lint.lint_example(Example(tmp_path)))


def test_scripts_are_known_by_their_first_line(tmp_path):
    """Shell scripts are found with any name or none; other scripts aren't."""
    (tmp_path / "examples").mkdir()
    for name, line in {"greet": "#!/bin/sh", "a.sh": "#!/usr/bin/env bash", "b.py": "#!/usr/bin/python3"}.items():
        (tmp_path / "examples" / name).write_text(f"{line}\n")

    assert lint.list_scripts(tmp_path) == ["examples/a.sh", "examples/greet"]


def test_linters_report():
    """What a linter finds is shown; a linter that fails without a word is reported by its command."""
    assert list(lint.run_linter("sh", "-c", "echo here: wrong; exit 1")) == ["here: wrong"]
    assert list(lint.run_linter("false")) == ["false: exit status 1"]
    assert list(lint.run_linter("true")) == []


def test_a_fault_fails_the_session(capsys):
    """Faults are printed, and the exit status is 1."""
    assert lint.main(["a fault"]) == 1
    assert capsys.readouterr().out == "drydock: a fault\n"
    assert lint.main([]) == 0
