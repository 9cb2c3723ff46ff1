"""Claims of the example cache-mounts."""

from __future__ import annotations

import json
import re
import tarfile
import time

import pytest

PACKAGES = ["ash", "birch", "cedar"]
NO_BUILDKIT = "Podman's client has no BuildKit, whose log this test reads"


@pytest.fixture
def copy(example, tmp_path, name):
    """A copy of the example for one test to change, whose cache mounts are its own."""
    copy = example.copy_to(tmp_path)
    for dockerfile in copy.glob("Dockerfile*"):
        dockerfile.write_text(dockerfile.read_text().replace("id=cache-mounts-", f"id={name('m')}-"))
    return copy


@pytest.fixture
def log(docker, copy, name, only_docker):
    """Build the copy and return the builder's log: ``log("Dockerfile.plain", "--no-cache")``."""

    def call(dockerfile="Dockerfile", *options):
        only_docker(NO_BUILDKIT)
        args = ["--file", str(copy / dockerfile), "--tag", name("image"), *options, str(copy)]
        return docker("build", "--progress=plain", *args, timeout=300).stderr

    return call


@pytest.fixture
def built(log):
    """Build the copy and return the packages that pip built."""

    def call(*args):
        return re.findall(r"Created wheel for (\w+):", log(*args))

    return call


@pytest.fixture
def written(docker, name, tmp_path):
    """Build a Dockerfile given as text; ``{kept}`` in it is the name of a mount of this test. Returns what was run."""

    def call(text, *options, check=True):
        args = ["--file", "-", "--tag", name("image"), *options, str(tmp_path)]
        return docker("build", *args, input=text.replace("{kept}", name("kept")), check=check, timeout=300)

    return call


@pytest.fixture
def said(docker, name):
    """Run the test's image, and return the lines that it prints: ``said("cat", "/lines")``."""
    return lambda *command: docker("run", "--rm", "--user", "0", name("image"), *command).stdout.splitlines()


def line(*options, target="/kept"):
    """Return a Dockerfile that adds a line to a file in a cache mount, and keeps a copy of the file."""
    mount = ",".join(["type=cache", f"target={target}", *options])
    add = f"echo {time.time_ns()} >> {target}/lines && cp {target}/lines /lines"
    return f"FROM busybox:1.37\nRUN --mount={mount} {add}\n"


# What a mount keeps.


def test_next_build(written, said):
    """What a step has written to a cache mount is there when another build runs a step with the same mount."""
    written(line("id={kept}"))
    [first] = said("cat", "/lines")
    written(line("id={kept}"))
    both = said("cat", "/lines")

    assert len(both) == 2
    assert both[0] == first


def test_not_in_the_image(written, said):
    """A cache mount is no part of the image: neither its files nor its directory are there."""
    written(line("id={kept}"))

    assert "kept" not in said("ls", "/")


def test_without_a_mount_it_is_in_the_image(build, docker):
    """Without a mount, and without --no-cache-dir, the wheels that pip keeps for itself are in the image."""
    image = build("Dockerfile.plain")
    found = docker("run", "--rm", "--user", "0", image, "find", "/root/.cache", "-name", "*.whl").stdout.split()

    assert len(found) == 2


def test_what_is_built_again(copy, built, table):
    """After a new line in the list, pip builds the new package only where a mount kept the others, else all of them."""
    seen = {}
    for dockerfile in ("Dockerfile.plain", "Dockerfile", "Dockerfile.both"):
        (copy / "requirements.txt").write_text(f"ash\nbirch # {time.time_ns()}\n")
        assert built(dockerfile) == PACKAGES[:2]
        (copy / "requirements.txt").write_text(f"ash\nbirch\ncedar # {time.time_ns()}\n")
        seen[dockerfile] = built(dockerfile)
    ways = {
        "Dockerfile.plain": "no mount",
        "Dockerfile": "cache mount",
        "Dockerfile.both": "cache mount, and `--no-cache-dir`",
    }
    table(
        "again",
        "grid",
        [
            {
                "row": ways[dockerfile],
                "column": package + (", the new one" if package == "cedar" else ""),
                "cell": "built" if package in found else "from the mount",
            }
            for dockerfile, found in seen.items()
            for package in PACKAGES
        ],
    )

    assert seen == {"Dockerfile.plain": PACKAGES, "Dockerfile": PACKAGES[2:], "Dockerfile.both": PACKAGES}


def test_both(copy, docker, name):
    """With --no-cache-dir, or with PIP_NO_CACHE_DIR=1, pip leaves the mount empty; with neither, it fills it."""
    text = (copy / "Dockerfile").read_text().partition("# region")[0]
    for way, pip in (("flag", "pip --no-cache-dir"), ("variable", "PIP_NO_CACHE_DIR=1 pip"), ("neither", "pip")):
        mount = f"--mount=type=cache,id={name(way)},target=/root/.cache/pip"
        install = f"{pip} install --target /{way} --no-index --find-links /index ash"
        text += f"RUN {mount} {install} && find /root/.cache/pip -name '*.whl' > /{way}.txt\n"
    (copy / "Dockerfile.ways").write_text(text)
    docker("build", "--file", str(copy / "Dockerfile.ways"), "--tag", name("image"), str(copy), timeout=300)
    kept = docker("run", "--rm", name("image"), "wc", "-l", "/flag.txt", "/variable.txt", "/neither.txt").stdout

    assert kept.split()[0:6:2] == ["0", "0", "1"]


def test_failed_build(written, said):
    """What a step wrote to a cache mount is kept even if the step then fails."""
    failed = written(f"{line('id={kept}').rstrip()} && exit 1\n", check=False)
    written(line("id={kept}"))

    assert failed.returncode != 0
    assert len(said("cat", "/lines")) == 2


def test_no_cache(written, said, only_docker):
    """With --no-cache the build begins with empty cache mounts, too."""
    only_docker("Podman keeps the mounts")
    counts = []
    for options in ([], [], ["--no-cache"]):
        written(line("id={kept}"), *options)
        counts.append(len(said("cat", "/lines")))

    assert counts == [1, 2, 1]


def test_no_part_of_the_key(written, said):
    """A step is not repeated because the content of its cache mount has changed."""
    step = line("id={kept}")
    written(step)
    first = said("cat", "/lines")
    written(line("id={kept}"))
    written(step)

    assert said("cat", "/lines") == first


def test_id(written, said):
    """Without an id, mounts of different Dockerfiles are one mount if they have the same target."""
    target = f"/kept-{time.time_ns()}"
    written(line(target=target))
    written(f"{line(target=target)}RUN true\n")

    assert len(said("cat", "/lines")) == 2


def test_user(log, only_docker):
    """A cache mount belongs to root, so a step that runs as somebody else needs uid to write to it."""
    only_docker(NO_BUILDKIT)
    text = log("Dockerfile.user", "--no-cache")

    assert "touch: /cache/mine: Permission denied" in text
    assert re.search(r" 10001 +10001 .* mine$", text, re.MULTILINE)


# Two at a time.


@pytest.fixture
def visits(copy, docker, name):
    """Build a Dockerfile with two visitors to one mount, and return who came and went: ``["in", "in", ...]``."""

    def call(dockerfile):
        args = ["--no-cache", "--file", str(copy / dockerfile), "--tag", name("image"), str(copy)]
        docker("build", *args, timeout=300)
        return docker("run", "--rm", name("image")).stdout.split()[1::2]

    return call


def test_sharing(visits, table, only_docker):
    """By default two steps are in one cache mount at the same time; with sharing=locked one waits for the other."""
    only_docker("Podman runs the stages of a build one after the other")
    seen = {"shared, the default": visits("Dockerfile.together"), "locked": visits("Dockerfile.turns")}
    table(
        "sharing",
        "grid",
        [
            {"row": f"`sharing` is {how}", "column": f"{number}.", "cell": f"one goes {way}"}
            for how, ways in seen.items()
            for number, way in enumerate(ways, start=1)
        ],
    )

    assert seen == {"shared, the default": ["in", "in", "out", "out"], "locked": ["in", "out", "in", "out"]}


#: Two stages that meet in one mount of the default kind, and only then run a command there. Without the words left
#: and right, they would be the same step, which is run once.
MEETING = """
FROM base AS left
RUN --mount=type=cache,id={{kept}},target={target} echo left {meet} && {command}
FROM base AS right
RUN --mount=type=cache,id={{kept}},target={target} echo right {meet} && {command}
FROM base
COPY --from=left {result} /left
COPY --from=right {result} /right
"""


def meeting(target, command, result):
    """Return the two stages of :data:`MEETING` for a command."""
    wait = f"timeout 60 sh -c 'until [ $(wc -l < {target}/visits) -ge 2 ]; do sleep 0.1; done'"
    return MEETING.format(target=target, meet=f">> {target}/visits && {wait}", command=command, result=result)


def test_pip_in_parallel(copy, docker, name, only_docker):
    """Two stages that run pip on one empty mount of the default kind at the same time both succeed."""
    only_docker("Podman runs the stages of a build one after the other")
    command = "pip install --target /got --no-index --find-links /index ash birch cedar"
    base = (copy / "Dockerfile").read_text().partition("# region")[0].replace("3.13-slim", "3.13-slim AS base")
    text = (base + meeting("/root/.cache/pip", command, "/got")).replace("{kept}", name("kept"))
    (copy / "Dockerfile.pip").write_text(text)
    docker("build", "--file", str(copy / "Dockerfile.pip"), "--tag", name("image"), str(copy), timeout=300)
    found = docker("run", "--rm", name("image"), "ls", "/left", "/right").stdout.split()

    assert [found.count(f"{package}.py") for package in PACKAGES] == [2, 2, 2]


def test_go_in_parallel(tmp_path, docker, name, only_docker):
    """Two stages that compile the same Go packages on one empty mount of the default kind at once both succeed."""
    only_docker("Podman runs the stages of a build one after the other")
    (tmp_path / "go.mod").write_text("module example.com/trees\n\ngo 1.27\n")
    for number in range(20):
        (tmp_path / f"tree{number}").mkdir()
        (tmp_path / f"tree{number}" / "tree.go").write_text(f"package tree{number}\n\nconst Height = {number}\n")
    base = "FROM golang:1.27 AS base\nWORKDIR /src\nCOPY . .\n"
    cache = "/root/.cache/go-build"
    text = base + meeting(cache, "go build ./... && touch /got", "/got")
    text += f"RUN --mount=type=cache,id={{kept}},target={cache} go build -v ./... 2> /compiled\n"
    (tmp_path / "Dockerfile").write_text(text.replace("{kept}", name("kept")))
    docker("build", "--tag", name("image"), str(tmp_path), timeout=300)

    assert docker("run", "--rm", name("image"), "cat", "/compiled").stdout == ""


# What a build prints.


def test_output_of_a_step(written, only_docker):
    """What a RUN prints is shown by --progress=plain when the step runs, and not at all when it is in the cache."""
    only_docker(NO_BUILDKIT)
    text = f"FROM busybox:1.37\nRUN echo {time.time_ns()} | tr 0-9 a-j\n"
    printed = text.split()[4].translate(str.maketrans("0123456789", "abcdefghij"))
    ways = [[], [], ["--no-cache"]]

    assert [printed in written(text, "--progress=plain", *way).stderr for way in ways] == [True, False, True]


# What can be taken elsewhere.


def test_export(copy, engine, docker, written, tmp_path, only_docker):
    """With --cache-to, the layers are exported, and the files in cache mounts are not."""
    only_docker(NO_BUILDKIT)
    if engine.facts["store"] == "overlay2":
        pytest.skip("the builder of an engine with the older image store exports no cache")
    marks = [f"{where}-{time.time_ns()}" for where in ("layer", "mount")]
    step = f"RUN --mount=type=cache,id={{kept}},target=/kept echo {marks[0]} > /layer; echo {marks[1]} > /kept/a"
    text = f"FROM busybox:1.37\n{step}\n"
    written(text, "--cache-to", f"type=local,dest={tmp_path / 'cache'},mode=max,compression=uncompressed")
    blobs = list((tmp_path / "cache" / "blobs" / "sha256").iterdir())
    names = []
    for blob in filter(tarfile.is_tarfile, blobs):
        with tarfile.open(blob) as layer:
            names += layer.getnames()

    assert json.loads((tmp_path / "cache" / "index.json").read_text())["manifests"]
    assert "layer" in names
    assert not [member for member in names if member.startswith("kept/")]


def test_no_export(copy, engine, docker, only_docker):
    """The builder of an engine with the older image store refuses to export a cache to a folder."""
    only_docker(NO_BUILDKIT)
    if engine.facts["store"] != "overlay2":
        pytest.skip("the builder of an engine with the containerd image store can")
    failed = docker("build", "--cache-to", f"type=local,dest={copy / 'cache'}", str(copy), check=False)

    assert failed.returncode != 0
    assert "Cache export is not supported for the docker driver" in failed.stderr


# The example.


def test_compose(docker, copy, prefix):
    """The image that Compose builds has installed what the list asks for."""
    compose = ["compose", "--project-directory", str(copy), "--project-name", f"{prefix}-compose"]
    docker(*compose, "build", timeout=300)

    assert docker(*compose, "run", "--rm", "list").stdout == "ash birch pip\n"
