"""Claims of the example layer-leftovers."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time

import pytest

from drydock import builds

BASE = "debian:trixie-slim"
BLOB = 20_000_000


@pytest.fixture(scope="module", autouse=True)
def _base(engine):
    """Pull the base: builds use it without giving it a name on the engine."""
    engine.run("pull", "--quiet", BASE, timeout=300)


@pytest.fixture(scope="module")
def good(build, folder, engine):
    """The image in which nothing is left."""
    if engine.facts["name"] == "Podman":
        pytest.skip("Podman is not handed build secrets by Docker's client")
    return build("Dockerfile", "--secret", f"id=token,src={folder / 'token.txt'}")


@pytest.fixture
def ran(docker, folder, name):
    """Build a Dockerfile given as text, and return its RUN steps with whether each came from the cache."""

    def call(text):
        done = docker("build", "--file", "-", "--tag", name("image"), str(folder), input=text, timeout=300)
        return {each.step: each.cached for each in builds.steps(done.stdout + done.stderr)}

    return call


def own_bytes(docker, image):
    """Return the bytes that the image adds to its base."""
    sizes = [docker("history", "--human=false", "--format", "{{.Size}}", each).stdout.split() for each in (image, BASE)]
    mine, base = (sum(map(int, each)) for each in sizes)
    return mine - base


def packages(docker, image):
    """Return how many packages are installed."""
    return len(docker("run", "--rm", image, "dpkg-query", "--show").stdout.splitlines())


def archives(docker, image, folder):
    """Return the image's layers as uncompressed tar archives, the lowest first."""
    docker("save", "--output", str(folder / "image.tar"), image)
    with tarfile.open(folder / "image.tar") as archive:
        [manifest] = json.load(archive.extractfile("manifest.json"))
        blobs = [archive.extractfile(each).read() for each in manifest["Layers"]]
    return [gzip.decompress(blob) if blob.startswith(b"\x1f\x8b") else blob for blob in blobs]


def names(layer):
    """Return the names of what is in a layer."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return archive.getnames()


# Package lists.


@pytest.fixture(scope="module")
def apt(build):
    """The images of Dockerfile.apt, by target."""
    return {target: build("Dockerfile.apt", target=target) for target in ("left", "later", "same")}


def test_lists(docker, apt, measure, table):
    """Removing apt's lists in a later RUN saves nothing; in the RUN that fetched them it saves more than 5 MB."""
    sizes = {target: own_bytes(docker, image) for target, image in apt.items()}
    labels = {"left": "lists left", "later": "removed in a later RUN", "same": "removed in the same RUN"}
    table("lists", "sizes", [{"image": labels[each], "bytes": size} for each, size in sizes.items()])
    measure("lists", sizes["left"] - sizes["same"], "bytes", low=5_000_000, high=200_000_000)

    assert sizes["later"] >= sizes["left"]


def test_lists_in_a_container(docker, apt):
    """In a container the lists that a later RUN removed are gone; all three images have their wget."""
    listed = {each: docker("run", "--rm", image, "ls", "/var/lib/apt/lists").stdout for each, image in apt.items()}

    assert "Packages" in listed["left"]
    assert listed["later"] == listed["same"] == ""
    assert all(docker("run", "--rm", image).stdout.startswith("GNU Wget") for image in apt.values())


def test_recommends(docker, apt, good, measure):
    """With --no-install-recommends fewer packages are installed."""
    more = packages(docker, apt["same"]) - packages(docker, good)

    measure("recommended", more, "count", low=1, high=20)


def test_split(ran, folder, only_docker):
    """An edited install line does not repeat an apt-get update that stands in a RUN of its own: the index is old."""
    only_docker("Podman's builder says in another way what it repeats")
    text = (folder / "Dockerfile.apt-split").read_text()
    ran(text)
    edited = text.replace(" wget\n", f" wget # {time.time_ns()}\n")
    cached = {step.split()[2]: was for step, was in ran(edited).items()}

    assert cached == {"update": True, "install": False}


def test_pin(docker, folder):
    """A version that the mirror does not have ends the build: apt-get exits with 100."""
    done = docker("build", "--file", str(folder / "Dockerfile.pin"), str(folder), check=False, timeout=300)

    assert done.returncode != 0
    assert "Version '0.0' for 'wget' was not found" in done.stderr + done.stdout
    assert "100" in done.stderr


# Owners.


def test_chown(docker, build, measure, table):
    """A chown in a later RUN stores the file once more; COPY --chown stores it once, with that owner."""
    sizes = {each: own_bytes(docker, build(f"Dockerfile.{each}")) for each in ("chown", "copy-chown")}
    labels = {"chown": "COPY, then RUN chown", "copy-chown": "COPY --chown"}
    table("chown", "sizes", [{"image": labels[each], "bytes": size} for each, size in sizes.items()])
    measure("chown", sizes["chown"], "bytes", low=2 * BLOB, high=2.05 * BLOB)
    measure("copy-chown", sizes["copy-chown"], "bytes", low=BLOB, high=1.05 * BLOB)


def test_chmod(docker, build, folder, name):
    """A chmod in a later RUN stores the file once more, too."""
    once = build("Dockerfile.copy-chown")
    text = f"FROM {once}\nUSER 0\nRUN chmod 600 /srv/blob\nUSER 10001\n"
    docker("build", "--file", "-", "--tag", name("image"), str(folder), input=text)

    assert own_bytes(docker, name("image")) - own_bytes(docker, once) >= BLOB


def test_same_owner(docker, build):
    """Both ways end with the same owner."""
    for each in ("chown", "copy-chown"):
        done = docker("run", "--rm", build(f"Dockerfile.{each}"), "stat", "--format", "%u", "/srv/blob")
        assert done.stdout == "10001\n"


# Secrets.


def test_deleted_secret(docker, build, folder, tmp_path):
    """A secret that is copied in and deleted by a later RUN is not in the container, and whole in the saved image."""
    image = build("Dockerfile.secret-deleted")
    layers = archives(docker, image, tmp_path)
    token = (folder / "token.txt").read_bytes()

    # It was of use to the step between.
    assert docker("run", "--rm", image).stdout.split() == [str(len(token)), "/token"]
    assert docker("run", "--rm", image, "ls", "/token", check=False).returncode != 0
    assert [("token" in names(layer), token in layer) for layer in layers].count((True, True)) == 1
    assert ".wh.token" in names(layers[-1])


def test_mounted_secret(docker, good, folder, tmp_path):
    """A secret that is mounted into one RUN was read there, and is in no layer and no setting."""
    token = (folder / "token.txt").read_bytes()
    read = docker("run", "--rm", good, "cat", "/srv/fetched").stdout
    layers = archives(docker, good, tmp_path)

    assert read.split()[0] == str(len(token))
    assert not [layer for layer in layers if token.strip() in layer]
    assert token.strip().decode() not in docker("history", "--no-trunc", good).stdout
    assert token.strip().decode() not in docker("image", "inspect", good).stdout


# All together.


def test_nothing_left(docker, good):
    """The good image has wget, a file of another owner and no lists."""
    listed = docker("run", "--rm", good, "ls", "/var/lib/apt/lists").stdout

    assert listed == ""
    assert docker("run", "--rm", good, "wget", "--version").returncode == 0
    assert docker("run", "--rm", good, "stat", "--format", "%u", "/srv/blob").stdout == "10001\n"


def test_compose(docker, folder, prefix, only_docker):
    """Compose hands the build the same secret."""
    only_docker("Podman is not handed build secrets by Docker's client")
    project = ["compose", "--project-name", f"{prefix}-stack", "--file", str(folder / "compose.yaml")]
    docker(*project, "build", "--no-cache", "list", timeout=300)  # from the cache it needs no secret
    done = docker(*project, "run", "--rm", "--no-TTY", "list", timeout=300)
    docker(*project, "down", "--rmi", "local")

    assert "fetched" in done.stdout
