"""No secret is in an image, and nobody else reaches the private engine."""

from __future__ import annotations

import gzip
import re
import secrets
import tarfile
from pathlib import Path

import pytest
import yaml

from drydock.model import example as examples

EXAMPLES = examples.load_examples()


def _builds(example):
    """Return how the images of an example's stack are built."""
    services = yaml.safe_load(example.read("compose.yaml"))["services"].values()
    return [fields["build"] for fields in services if "build" in fields]


def _secrets(example):
    """Return the files that hold the secrets of an example's stack, if it builds an image."""
    known = yaml.safe_load(example.read("compose.yaml"))
    builds = _builds(example)
    return [fields["file"] for fields in (known.get("secrets") or {}).values() if builds and "file" in fields]


SECRETIVE = [slug for slug, example in EXAMPLES.items() if _secrets(example)]


@pytest.fixture(name="holds")
def _holds(docker, tmp_path):
    """Say where an image holds a text: in the files of any of its layers, or in its settings and history."""

    def call(image, text):
        place = tmp_path / "image.tar"
        docker("save", "--output", str(place), image, timeout=300)
        with tarfile.open(place) as archive:
            members = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
        assert sum(map(len, members.values())) > 1_000_000, "hardly an image"
        plain = {name: gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data for name, data in members.items()}
        return [name for name, data in plain.items() if text.encode() in data]

    return call


@pytest.mark.parametrize("slug", SECRETIVE)
def test_no_image_of_a_stack_holds_its_secrets(slug, docker, only_docker, prefix, tmp_path, holds):
    """The secrets that a stack is given are in no layer, no setting and no line of the history of its images."""
    if any("secrets" in build for build in _builds(EXAMPLES[slug]) if isinstance(build, dict)):
        only_docker("Podman is not handed build secrets by Docker's client")
    folder = EXAMPLES[slug].copy_to(tmp_path)
    secret = secrets.token_hex(16)
    for file in _secrets(EXAMPLES[slug]):
        (folder / file).write_text(secret)
    # The cache does not look at secrets. Without a line of its own, this build would take over a step that had the
    # secret of the example's own tests, and hold nothing of this one in any case; or they would take over its step.
    for dockerfile in folder.rglob("Dockerfile*"):
        own = re.sub(r"(?m)^(FROM .*)", rf"\1\nARG OWN={prefix}", dockerfile.read_text())
        dockerfile.write_text(own)
    stack = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-{slug}"]
    docker(*stack, "build", "--quiet", timeout=300)
    built = {image for image in docker(*stack, "config", "--images").stdout.split() if image.startswith(prefix)}

    assert built
    assert {image: holds(image, secret) for image in built} == {image: [] for image in built}


@pytest.mark.parametrize("file", ["Dockerfile.secret-deleted", "Dockerfile.arg"])
def test_a_secret_that_leaks_is_found(file, docker, prefix, tmp_path, holds):
    """Where an example leaks on purpose, into a layer or into the history, the same search finds it."""
    [example] = [each for each in EXAMPLES.values() if file in each.files]
    folder = example.copy_to(tmp_path)
    secret = secrets.token_hex(16)
    (folder / "token.txt").write_text(secret)
    tag = f"{prefix}-leaks"
    build = ["build", "--file", str(folder / file), "--build-arg", f"TOKEN={secret}", "--tag", tag]
    docker(*build, str(folder), timeout=300)

    assert holds(tag, secret)


def _listening(port):
    """Return the addresses, as the kernel writes them, on which something on this machine listens at `port`."""
    lines = []
    for table in ("tcp", "tcp6"):
        lines += [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    ends = [fields[1].rpartition(":") for fields in lines if fields[3] == "0A"]
    return {address for address, _, hexadecimal in ends if int(hexadecimal, 16) == port}


def test_the_private_engines_mirror_listens_on_loopback(engine):
    """Whoever is not on this machine cannot reach the registry of a private engine."""
    if not engine.mirror:
        assert engine.facts["base_images"] == "official" or not engine.private
        return
    assert _listening(int(engine.mirror.rpartition(":")[2])) == {"0100007F"}


def test_a_private_engine_listens_on_no_port(engine):
    """A private engine is reached by its socket only, which nobody but its owner may open."""
    if engine.private:
        socket = Path(engine.client["DOCKER_HOST"].removeprefix("unix://"))
        assert socket.is_socket()
        assert socket.stat().st_mode & 0o077 == 0
        assert not [port for port in (2375, 2376) if _listening(port)]
