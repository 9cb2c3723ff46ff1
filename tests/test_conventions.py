"""Conventions of all examples, because readers copy their files.

Dockerfiles: the last stage, and each with a command, has a numeric USER that isn't 0. The last stage has a command.
CMD and ENTRYPOINT are lists. A stage that copies to a relative path has a WORKDIR. Services: a published port has its
EXPOSE and a health check. A health check has test, interval, timeout, start_period and start_interval. A service that
only sleeps has init, because sleep as process 1 ignores SIGTERM.

``tests/examples/<slug>.toml`` lists what differs, with the reason.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, field, replace

import pytest
from test_security import services

from drydock.model import example as examples
from drydock.model.expectations import load_expectations
from drydock.model.recipes import dockerfile_instructions, is_compose_file, is_dockerfile, split_from

EXAMPLES = examples.load_examples()
#: What a health check says: how it asks, how often, how long an answer may take, and the same for the start.
CHECKED = {"test", "interval", "timeout", "start_period", "start_interval"}

#: A user, and perhaps a group, by number, and not root.
USER = re.compile(r"[1-9]\d*(:\d+)?")
#: What a place in an image begins with that needs no WORKDIR, or is not read here: a variable, a list, a further line.
ABSOLUTE = ("/", "$", '"', "\\")


@dataclass
class Stage:
    """What a stage of a Dockerfile has, with what it took over from the stage that it is built on."""

    user: str = ""
    folder: str = ""
    command: list[str] = field(default_factory=list)
    ports: set[str] = field(default_factory=set)
    healthcheck: bool = False
    problems: set[str] = field(default_factory=set)


def stages(text: str) -> dict[str, Stage]:
    """Return the stages of a Dockerfile, in their order, by name or number; what precedes the first is left out."""
    found: dict[str, Stage] = {}
    stage = Stage()
    for _, _, word, rest in dockerfile_instructions(text.splitlines()):
        words = rest.split()
        if word == "FROM":
            image, name = split_from(rest)
            parent = found.get(image, Stage())
            stage = replace(parent, command=[*parent.command], ports={*parent.ports}, problems=set())
            found[name or str(len(found))] = stage
        elif word == "USER":
            stage.user = words[0]
        elif word == "WORKDIR":
            stage.folder = rest
        elif word in ("CMD", "ENTRYPOINT"):
            stage.command.append(rest)
        elif word == "HEALTHCHECK":
            stage.healthcheck = rest != "NONE"
        elif word == "EXPOSE":
            stage.ports |= {port.partition("/")[0] for port in words}
        elif word in ("COPY", "ADD") and words[-1][:1] not in ABSOLUTE and not stage.folder:
            stage.problems.add("folder")
    return found


def lacks(text: str) -> set[str]:
    """Return what a Dockerfile does without.

    ``user``: a number that is not 0, in the last stage and in each that has a command. ``command``: what the last
    stage runs, said here and not by its base. ``list``: each command as a list. ``folder``: a WORKDIR, where COPY is
    given a relative place.
    """
    every = list(stages(text).values())
    last = every[-1]
    return {
        *("user" for stage in every if (stage is last or stage.command) and not USER.fullmatch(stage.user)),
        *([] if last.command else ["command"]),
        *(["list"] if any(not command.startswith("[") for stage in every for command in stage.command) else []),
        *(problem for stage in every for problem in stage.problems),
    }


def unlike(example: examples.Example) -> dict[str, set[str]]:
    """Return in what the example's files do not keep to what is usual, by file."""
    found = {}
    for name in example.files:
        if is_dockerfile(name):
            found[name] = lacks(example.read(name))
        elif is_compose_file(name):
            known = services(example, name)
            found |= {f"{name} {service}": misses(example, fields) for service, fields in known.items()}
    return {place: what for place, what in found.items() if what}


def misses(example: examples.Example, fields: dict) -> set[str]:
    """Return what a service does without."""
    # What is laid over another file says only what differs.
    whole = {"image", "build"} & set(fields)
    checked = set(fields.get("healthcheck") or CHECKED) if whole else CHECKED
    return {
        *deaf(example, fields),
        *CHECKED.difference(checked),
        *(f"EXPOSE {port}" for port in sorted(published(fields) - exposed(example, fields))),
        *(["health check"] if whole and fields.get("ports") and not checks_health(example, fields) else []),
    }


def deaf(example: examples.Example, fields: dict) -> set[str]:
    """Return ``init`` where a service is but a sleep, which as process 1 would not hear that it is to stop."""
    own = built(example, fields).command[-1:] if "build" in fields else []
    command = json.dumps(fields["command"]) if "command" in fields else "".join(own)
    return {"init"} if command.startswith('["sleep"') and not fields.get("init") else set()


def published(fields: dict) -> set[str]:
    """Return the container's ports that a service publishes."""
    ports = [str(port["target"] if isinstance(port, dict) else port) for port in fields.get("ports") or ()]
    return {re.search(r"(\d+)(?:/\w+)?$", port)[1] for port in ports} if "build" in fields else set()


def exposed(example: examples.Example, fields: dict) -> set[str]:
    """Return the ports that the image of a service says it listens at, where it is built here."""
    return built(example, fields).ports if published(fields) else set()


def checks_health(example: examples.Example, fields: dict) -> bool:
    """Say whether a service or the image that it builds has a health check."""
    return "healthcheck" in fields or ("build" in fields and built(example, fields).healthcheck)


def built(example: examples.Example, fields: dict) -> Stage:
    """Return the stage that a service builds."""
    build = fields["build"] if isinstance(fields["build"], dict) else {"context": fields["build"]}
    file = posixpath.normpath(f"{build.get('context', '.')}/{build.get('dockerfile', 'Dockerfile')}")
    every = stages(example.read(file))
    return every[build.get("target") or [*every][-1]]


@pytest.mark.parametrize("slug", EXAMPLES)
def test_what_is_copied_is_as_usual(slug):
    """An image says its user, command, folder and ports as it should, and a health check all that it can."""
    listed = load_expectations(slug).conventions

    assert unlike(EXAMPLES[slug]) == {place: {*exemption.lacks} for place, exemption in listed.items()}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('FROM a\nWORKDIR /a\nCOPY a .\nUSER 10001:10001\nCMD ["a"]\n', set()),
        ('FROM a\nUSER 0\nCMD ["a"]\n', {"user"}),
        ('FROM a\nUSER app\nENTRYPOINT ["a"]\n', {"user"}),
        ("FROM a\nUSER 1\n", {"command"}),
        ('FROM --platform=$BUILDPLATFORM a AS b\nUSER 1\nFROM b\nCMD ["a"]\n', set()),
        ('FROM a AS b\nUSER 1\nCMD a\nFROM c\nUSER 1\nCMD ["a"]\n', {"list"}),
        ('FROM a AS b\nCMD ["a"]\nFROM c\nUSER 1\nCMD ["a"]\n', {"user"}),
        ('FROM a\nUSER 1\nCOPY --from=b /a ./\nCMD ["a"]\n', {"folder"}),
        ('FROM a AS b\nWORKDIR /a\nUSER 1\nCMD ["a"]\nFROM b\nCOPY a .\n', set()),
        ('FROM a\nCOPY ["a", "/b"]\nCOPY a /b\nCOPY a $HOME/\nUSER 1\nCMD ["a"]\n', set()),
    ],
)
def test_what_a_dockerfile_lacks(text, missing):
    """What is missing is told, and a stage has what the stage below it has."""
    assert lacks(text) == missing
