"""Claims of the example debian-client."""

from __future__ import annotations

import pytest


@pytest.fixture
def run(docker, build):
    """Run a shell line in a container with the client and its plugins, or in one with the client alone."""

    def call(line, *flags, target=""):
        return docker("run", "--rm", *flags, build(target=target), "sh", "-c", line, check=False)

    return call


def test_no_docker_ce(run):
    """Debian's own lists have docker.io and no docker-ce, which is Docker's own package."""
    said = run("apt-cache policy docker.io docker-ce").stdout
    ours, theirs = said.split("docker-ce:")

    assert "Candidate: (none)" not in ours
    assert "Candidate: (none)" in theirs


def test_client_is_recommended(run):
    """Debian's docker.io is the engine: the client is another package, which it only recommends."""
    said = run("apt-cache depends docker.io").stdout.split("\n")

    assert "  Depends: containerd" in said
    assert "  Recommends: docker-cli" in said
    assert "  Depends: docker-cli" not in said


def test_conflict(run):
    """Debian's docker.io declares a conflict with Docker's own docker-ce."""
    assert "Conflicts: <docker-ce>" in run("apt-cache depends docker.io").stdout


def test_plugins(run):
    """With docker-buildx and docker-compose installed, docker buildx and docker compose answer."""
    said = run("docker buildx version && docker compose version")

    assert said.returncode == 0
    assert said.stdout.startswith("github.com/docker/buildx ")
    assert "Docker Compose version " in said.stdout


def test_client_alone(run, docker, build):
    """The client alone knows neither docker compose nor docker buildx: each is a plugin of its own."""
    assert docker("run", "--rm", build(target="cli")).stdout.startswith("Docker version ")
    for plugin in ("compose", "buildx"):
        refused = run(f"docker {plugin} version", target="cli")
        assert refused.returncode == 1
        assert f"'{plugin}' is not a docker command" in refused.stderr


def test_newer_clients(docker, needs):
    """A newer client reports "unknown command" for a command that is neither its own nor a plugin's."""
    needs("version", "28", "older clients say that it is not a docker command")
    refused = docker("nosuch", check=False)

    assert refused.returncode != 0
    assert "unknown command: docker nosuch" in refused.stderr


def test_old_builder(run):
    """Without buildx docker build says that it is about to use the legacy builder, and to install buildx."""
    said = run("docker build .", target="cli")

    assert "The legacy builder is deprecated" in said.stderr
    assert "Install the buildx component" in said.stderr


@pytest.fixture
def client(docker, build, engine):
    """Ask the engine through its socket, as a user: ``client("10001:10001")``."""
    socket = engine.environment.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")

    def call(user):
        flags = ("--user", user, "--cap-drop", "ALL", "--volume", f"{socket}:/var/run/docker.sock")
        return docker(
            "run", "--rm", *flags, build(), "docker", "version", "--format", "{{.Server.Version}}", check=False
        )

    return call


def test_socket_is_a_file(client):
    """Who does not belong to the owners of the engine's socket is told: permission denied."""
    refused = client("10001:10001")

    assert refused.returncode == 1
    assert "permission denied while trying to connect" in refused.stderr


def test_socket_owner(client):
    """Who owns the engine's socket is answered, without any other privilege."""
    answered = client("0:0")

    assert answered.returncode == 0
    assert answered.stdout.strip()
