"""What an example's README says to type works in a copy of its folder, in order, in one terminal."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from drydock.engine.client import Engine
from drydock.engine.resources import locks_folder
from drydock.model import example as examples
from drydock.replay.replay import reader_environment
from drydock.replay.reservations import reserve_names
from drydock.replay.shell import Bash
from drydock.replay.walkthrough import CD_TIMEOUT

EXAMPLES = examples.load_examples()
#: Seconds that a command may take.
LIMIT = 300.0
#: How often a server that is only starting is asked again.
TRIES = 20
#: Commands that end with another status than 0, as their README says.
ENDS = {
    "restart-and-exit-codes": {"docker run --rm restart-and-exit-codes status 42": 42},
    "debian-client": {"docker compose run --rm client": 1},
    "bridge-dns": {"docker compose exec web ask api db": 1},
}
#: Commands that go on until they are ended, and what they print when they are ready.
GO_ON = {"docker compose watch": "Watch enabled"}
#: Commands that are not typed here, and why.
UNTYPED = {
    "docker inspect": "the name of a command, not all of it",
    "docker image rm": "the name of a command, not all of it",
    "docker compose -f cluster.yaml exec node1 bash": "a shell, for a person",
    "docker compose exec machine bash": "a shell, for a person",
    "docker exec healthcheck-app rm /tmp/well": "for when it is well, which takes some seconds; its transcripts wait",
    "docker compose exec builder docker buildx build --provenance=mode=max --push --tag "
    "localhost:5000/attested-builds:1.0 .": "needs the base image that the sentence before it has one push",
    "docker buildx imagetools inspect $registry/attested-builds:1.0": "needs what was built before it",
    "./tools cosign generate-key-pair": "asks for a password at a terminal",
    "./tools cosign sign --key cosign.key ...": "not all of it",
    "./tools cosign verify --key cosign.pub ...": "not all of it",
}
#: What a README says is kept, for `down` does not remove it.
KEPT = {
    "compose-startup-order": ["volume compose-startup-order_db-data"],
    "compose-web-db-cache": ["volume compose-web-db-cache_db-data"],
    "postgres-data": ["volume postgres-data_data"],
}
#: A command begins with one of these, or with a script of the example, or gives a variable what a command prints.
_COMMAND = re.compile(r"(?:(?:cp|curl|docker|echo|export|head|printf|tar|unset) \S|\./[a-z]|[a-z]+=\$\().*")


def commands(readme: str) -> list[str]:
    """Return the commands of the list below the heading "Run it"."""
    part = re.search(r"(?s)^## Run it\n(.*?)(?=^## |\Z)", readme, re.MULTILINE)
    assert part, "no heading: ## Run it"
    items = re.findall(r"(?m)^- (.*)$", part[1])
    return [code for item in items for code in re.findall("`([^`]+)`", item) if _COMMAND.fullmatch(code)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_readme(name: str, engine: Engine, tmp_path: Path) -> None:
    """Each command ends as the README says, and in the end nothing is left but images, and what it says is kept."""
    asked = commands(EXAMPLES[name].read("README.md"))
    ends = ENDS.get(name, {})
    reader = tmp_path / "reader"
    env = reader_environment(engine, reader)
    tries = TRIES
    assert asked
    assert ends.keys() <= set(asked)
    with reserve_names(engine, locks_folder(engine), [name]) as names, Bash(reader, env) as bash:
        bash.run(f"cd {EXAMPLES[name].copy_to(reader)}", CD_TIMEOUT)
        for command in asked:
            if command in GO_ON:
                bash.start(command, GO_ON[command], LIMIT)
            elif command not in UNTYPED:
                said, status = bash.run(command, LIMIT)
                while status and command.startswith("curl ") and tries:  # a person takes longer than a server to start
                    tries -= 1
                    time.sleep(CD_TIMEOUT / TRIES)
                    said, status = bash.run(command, LIMIT)
                names.note_images()
                assert status == ends.get(command, 0), f"$ {command}\n{said}"
        assert names.list_leftovers() == ", ".join(KEPT.get(name, []))


def test_what_is_not_typed_is_in_a_readme() -> None:
    """The list of commands that are not typed has none that nobody is told to type."""
    asked = {command for example in EXAMPLES.values() for command in commands(example.read("README.md"))}

    assert UNTYPED.keys() | GO_ON.keys() <= asked
    assert ENDS.keys() | KEPT.keys() <= EXAMPLES.keys()
