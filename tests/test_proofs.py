"""Which claims a page proves: what tests run, against what pages show."""

from __future__ import annotations

import pytest

from drydock.errors import MalformedError
from drydock.model import proofs
from drydock.model.example import open_example
from drydock.model.proofs import Use, command_use

COMPOSE = "services:\n  web:\n    build:\n      dockerfile: Dockerfile.web\n"
TESTS = """\
import pytest

NAME = "Dockerfile.web"


@pytest.fixture
def stack(docker, folder):
    docker("compose", "--file", folder / "compose.yaml", "up")


def _start(docker, image):
    return docker("run", image)


def test_stack(stack, docker):
    "It serves Dockerfile.web."
    docker("compose", "ps")


def test_web(docker, build):
    _start(docker, build(NAME))
    docker("image", "inspect", NAME)


def test_services(docker_services):
    pass


def test_version(docker):
    docker("version")
"""


@pytest.fixture
def example(site):
    """Return the example, with a Compose file, a second Dockerfile, and tests."""
    site.write("examples/greeting/compose.yaml", COMPOSE)
    site.write("examples/greeting/Dockerfile.web", "FROM scratch\n")
    site.write("tests/examples/test_greeting.py", TESTS)
    return open_example(site.top / "examples/greeting")


def test_what_a_test_uses(example):
    """A test uses the files that it, its fixtures, and its functions name; its docstring only mentions them."""
    assert proofs.test_uses(example) == {
        "test_stack": Use({"compose.yaml"}, {"docker compose ps"}),
        "test_web": Use({"Dockerfile.web"}, {"docker image inspect"}),
        "test_services": Use({"compose.yaml"}),
        "test_version": Use(set(), {"docker version"}),
    }


def test_tests_that_do_not_parse(site, example):
    """A file of tests that isn't Python is named with the line."""
    site.write("tests/examples/test_greeting.py", "def\n")

    with pytest.raises(MalformedError, match=r"^tests/examples/test_greeting\.py:1: it isn't Python: "):
        proofs.test_uses(example)


@pytest.mark.parametrize(
    ("command", "use"),
    [
        ("docker build -t greeting .", Use({"Dockerfile"}, {"docker build"})),
        ("docker build --file Dockerfile.web .", Use({"Dockerfile.web"}, {"docker build"})),
        ("docker compose up --wait", Use({"compose.yaml", "Dockerfile", "Dockerfile.web"}, {"docker compose up"})),
        ("docker volume ls && cat ./compose.yaml", Use({"compose.yaml"}, {"docker volume ls"})),
    ],
)
def test_what_a_command_uses(example, command, use):
    """A typed command uses the files that it names or takes by default, and the Dockerfiles of its Compose file."""
    assert command_use(example, [command]) == use


@pytest.mark.parametrize(
    ("page", "test", "covered"),
    [
        (Use({"Dockerfile"}), Use({"Dockerfile"}, {"docker run"}), True),
        (Use({"Dockerfile"}), Use({"Dockerfile", "Dockerfile.web"}), False),
        (Use({"Dockerfile"}, {"docker run"}), Use({"Dockerfile"}, {"docker run", "docker inspect"}), True),
        (Use({"Dockerfile"}, {"docker run"}), Use({"Dockerfile"}, {"docker run", "docker stop"}), False),
        (Use({"Dockerfile"}, {"docker build"}), Use({"Dockerfile"}, {"docker inspect"}), False),
        (Use(set(), {"docker version"}), Use(set(), {"docker version"}), True),
        (Use({"Dockerfile"}, {"docker run"}), Use(), False),
    ],
)
def test_what_a_page_covers(page, test, covered):
    """A page proves a claim if it shows all files of its test, and its commands unless they only look."""
    assert page.covers(test) is covered
