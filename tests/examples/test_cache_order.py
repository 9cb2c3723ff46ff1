"""Claims of the example cache-order."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import statistics
import tarfile
import time
import urllib.request
from datetime import datetime

import pytest

from drydock import builds
from drydock.layers import rows as stacks

BLOB = 20_000_000
INSTALL = "RUN pip install --no-cache-dir --root-user-action=ignore -r requirements.txt"


@pytest.fixture(scope="module", autouse=True)
def _bases(engine):
    """A build uses its base without giving it a name on the engine; these tests ask for the bases by name."""
    for base in ("debian:trixie-slim", "python:3.13-slim"):
        engine.run("pull", "--quiet", base, timeout=300)


@pytest.fixture
def copy(example, tmp_path):
    """A copy of the example for one test to edit; its source is like no other's, so no earlier build knows it."""
    copy = example.copy_to(tmp_path)
    edit(copy / "app.py")
    return copy


@pytest.fixture
def ran(docker, copy, name):
    """Build the copy and return the steps that ran, those that came from the cache left out: ``ran("Dockerfile")``."""

    def call(dockerfile="Dockerfile", *options):
        args = ["--file", str(copy / dockerfile), "--tag", name("image"), *options, str(copy)]
        done = docker("build", *args, timeout=300)
        return builds.ran(done.stdout + done.stderr)

    return call


@pytest.fixture
def idle(docker, build, name):
    """Start a container that does nothing for a while: ``idle("one")``."""

    def call(suffix):
        docker("run", "--detach", "--name", name(suffix), build("Dockerfile.stamp"), "sleep", "600")
        return name(suffix)

    return call


def edit(path):
    """Add a comment that the file never had."""
    with path.open("a") as file:
        file.write(f"# {time.time_ns()}\n")


def layers(docker, image):
    """Return the IDs of the image's layers, the lowest first."""
    return json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).stdout)


def rows(docker, image):
    """Return the image's history, the newest first, as (bytes, instruction)."""
    text = docker("history", "--human=false", "--no-trunc", "--format", "{{.Size}} {{.CreatedBy}}", image).stdout
    return [(int(size), made_by) for size, _, made_by in (line.partition(" ") for line in text.splitlines())]


def own_bytes(docker, image, base):
    """Return the bytes that the image adds to its base."""
    return sum(size for size, _ in rows(docker, image)) - sum(size for size, _ in rows(docker, base))


def saved(docker, image, folder):
    """Return the image's layers as uncompressed tar archives, the lowest first."""
    docker("save", "--output", str(folder / "image.tar"), image)
    with tarfile.open(folder / "image.tar") as archive:
        [manifest] = json.load(archive.extractfile("manifest.json"))
        blobs = [archive.extractfile(name).read() for name in manifest["Layers"]]
    return [gzip.decompress(blob) if blob.startswith(b"\x1f\x8b") else blob for blob in blobs]


def members(layer):
    """Return the files in the layer, as name -> bytes."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {member.name: member.size for member in archive if member.isfile()}


# Order: what an edit rebuilds.


def test_serves(docker_services):
    """Built in the good order, the app passes its health check and answers in the visitor's language."""
    url = f"http://127.0.0.1:{docker_services.port_for('web', 8000)}/"
    request = urllib.request.Request(url, headers={"Accept-Language": "de"})

    assert urllib.request.urlopen(request, timeout=10).read().decode().startswith("1: ")
    assert "Weltzeit" in urllib.request.urlopen(request, timeout=10).read().decode()


def test_unchanged(ran):
    """Where nothing has changed, a rebuild runs no step at all: each has its result in the cache."""
    first, second = ran(), ran()

    assert first == ["COPY . ."]
    assert second == []


def test_touch(ran, copy):
    """A new modification time alone changes nothing: COPY is still answered from the cache."""
    ran()
    os.utime(copy / "app.py", (1, 1))

    assert ran() == []


def test_chmod(ran, copy):
    """A new file mode repeats COPY, though the content is the same."""
    ran()
    (copy / "app.py").chmod(0o755)

    assert ran() == ["COPY . ."]


def test_undo(ran, copy):
    """When an edit is undone, the result from before it is found again, and nothing runs."""
    before = (copy / "app.py").read_bytes()
    ran()
    edit(copy / "app.py")
    edited = ran()
    (copy / "app.py").write_bytes(before)

    assert edited == ["COPY . ."]
    assert ran() == []


def test_image_prune(ran, docker, name, only_docker):
    """docker image prune removes an image that lost its name, and leaves the build cache: its build runs no step."""
    only_docker("Podman's build cache is its images")
    label = f"prune={name('prune')}"
    ran("Dockerfile.stamp", "--label", label)
    first = docker("image", "inspect", "--format", "{{.Id}}", name("image")).stdout.strip()
    ran("Dockerfile.stamp", "--label", label, "--build-arg", f"FRESH={time.time_ns()}")
    docker("image", "prune", "--force", "--filter", f"label={label}")
    left = [docker("image", "inspect", each, check=False).returncode for each in (first, name("image"))]

    assert left == [1, 0]
    assert ran("Dockerfile.stamp", "--label", label) == []


def test_ignored(ran, copy):
    """An edit of a file that .dockerignore leaves out repeats no step."""
    ran()
    edit(copy / "README.md")

    assert ran() == []


def test_good_order(ran, copy, docker, name):
    """In the good order, an edit of the source repeats the last COPY and keeps the installed packages."""
    ran()
    before = layers(docker, name("image"))
    edit(copy / "app.py")

    assert ran() == ["COPY . ."]
    assert layers(docker, name("image"))[:-1] == before[:-1]
    assert layers(docker, name("image"))[-1] != before[-1]


def test_bad_order(ran, copy, docker, name):
    """In the bad order, an edit of the source installs every package again, into another layer."""
    ran("Dockerfile.bad")
    before = layers(docker, name("image"))
    edit(copy / "app.py")

    assert ran("Dockerfile.bad") == ["COPY . .", INSTALL]
    assert layers(docker, name("image"))[-1] != before[-1]


def test_below(ran, copy):
    """A changed list of dependencies repeats its own step and every step below it, and none above."""
    ran()
    edit(copy / "requirements.txt")

    assert ran() == ["COPY requirements.txt .", INSTALL, "COPY . ."]


def test_speed(ran, copy, measure, repeat):
    """After an edit of the source, the good order rebuilds at least twice as fast as the bad one."""

    def seconds(dockerfile):
        edit(copy / "app.py")
        began = time.monotonic()
        ran(dockerfile)
        return time.monotonic() - began

    for dockerfile in ("Dockerfile", "Dockerfile.bad"):
        ran(dockerfile)
    good, bad = zip(*repeat(lambda: (seconds("Dockerfile"), seconds("Dockerfile.bad"))), strict=True)

    measure("good-rebuild", good, "seconds", high=20)
    measure("bad-rebuild", bad, "seconds", low=0.5)
    measure("speedup", statistics.median(bad) / statistics.median(good), "ratio", low=2)


# What a RUN's result is filed under.


def stamp(docker, image):
    """Return what the image's RUN wrote."""
    return docker("run", "--rm", image).stdout


def test_time_passes(ran, docker, name):
    """Passing time repeats no RUN: the image built later holds the stamp of the earlier build."""
    ran("Dockerfile.stamp", "--no-cache")
    first = stamp(docker, name("image"))

    assert ran("Dockerfile.stamp") == []
    assert stamp(docker, name("image")) == first


def test_no_cache(ran, docker, name):
    """With --no-cache a RUN is repeated, and the stamp is a new one."""
    ran("Dockerfile.stamp")
    first = stamp(docker, name("image"))

    assert ran("Dockerfile.stamp", "--no-cache") == ["RUN date +%s%N > /stamp"]
    assert int(stamp(docker, name("image"))) > int(first)


def test_build_argument(ran):
    """Another value of an ARG repeats the RUN below it, even where the command never uses it."""
    fresh = f"FRESH={time.time_ns()}"
    ran("Dockerfile.stamp")

    assert ran("Dockerfile.stamp", "--build-arg", fresh) == ["RUN date +%s%N > /stamp"]
    assert ran("Dockerfile.stamp", "--build-arg", fresh) == []


@pytest.fixture
def above(ran, copy):
    """Put a line above the RUN of Dockerfile.stamp, build, and return the steps that ran."""

    def call(line):
        text = (copy / "Dockerfile.stamp").read_text()
        (copy / "Dockerfile.more").write_text(text.replace("\nRUN ", f"\n{line}\nRUN "))
        return ran("Dockerfile.more")

    return call


def test_chain(above):
    """A RUN with a different command repeats the step below it, even when neither command changes a file."""
    above(f"RUN true {time.time_ns()}")
    other = f"RUN true {time.time_ns()}"

    assert above(other) == [other, "RUN date +%s%N > /stamp"]
    assert above(other) == []


def test_from_follows_its_name(ran, copy, docker, name):
    """When the name after FROM comes to stand for another image, the step below is repeated."""
    step = f"RUN echo {time.time_ns()}"
    (copy / "Dockerfile.more").write_text(f"FROM {name('base')}\n{step}\n")
    docker("tag", "debian:trixie-slim", name("base"))
    first, second = ran("Dockerfile.more"), ran("Dockerfile.more")
    docker("tag", "python:3.13-slim", name("base"))

    assert first == [step]
    assert second == []
    assert ran("Dockerfile.more") == [step]


def test_settings_above(ran, above):
    """A changed LABEL, EXPOSE, CMD, HEALTHCHECK or VOLUME above a RUN does not repeat it."""
    ran("Dockerfile.stamp")

    assert above(f"LABEL now={time.time_ns()}") == []
    assert above(f'CMD ["{time.time_ns()}"]') == []
    assert above(f"HEALTHCHECK CMD {time.time_ns()}") == []
    assert above(f"EXPOSE {time.time_ns() % 60_000 + 1}\nVOLUME /{time.time_ns()}") == []


def test_environment_above(ran, above, copy, docker, name):
    """A changed ENV or USER above a RUN repeats it, and yet adds no layer."""
    ran("Dockerfile.stamp")
    before = layers(docker, name("image"))

    assert above(f"ENV NOW={time.time_ns()}") == ["RUN date +%s%N > /stamp"]
    assert len(layers(docker, name("image"))) == len(before)
    assert above(f"USER 0:{time.time_ns() % 60_000 + 1}") == ["RUN date +%s%N > /stamp"]
    assert len(layers(docker, name("image"))) == len(before)


# What an image is made of.


def test_layer_count(docker, build, folder, measure):
    """The image has one layer more than its base for each RUN, COPY and WORKDIR, and none for anything else."""
    instructions = re.findall(r"^[A-Z]+(?= )", (folder / "Dockerfile").read_text(), re.MULTILINE)
    makers = [each for each in instructions if each in ("RUN", "COPY", "ADD", "WORKDIR")]
    added = len(layers(docker, build())) - len(layers(docker, "python:3.13-slim"))

    assert added == len(makers)
    measure("instructions", len(instructions), "count", low=10, high=10)
    measure("layers", added, "count", low=4, high=4)


def test_layer_sizes(docker, build, measure):
    """The layer that an edit of the source replaces is at least a thousand times smaller than that of the packages."""
    sizes = {made_by.split(" ")[0]: size for size, made_by in reversed(rows(docker, build()))}
    [install] = [size for size, made_by in rows(docker, build()) if "-r requirements.txt" in made_by]

    measure("install-layer", install, "bytes", low=10_000_000)
    measure("source-layer", sizes["COPY"], "bytes", low=500, high=install / 1000)


def test_settings_weigh_nothing(docker, build):
    """ENV, USER, EXPOSE, HEALTHCHECK and CMD are in the image's history, with 0 bytes each."""
    own = rows(docker, build())[: -len(rows(docker, "python:3.13-slim"))]
    settings = {made_by.split(" ")[0]: size for size, made_by in own if size == 0}

    assert {"ENV", "USER", "EXPOSE", "HEALTHCHECK", "CMD"} <= settings.keys()


def test_settings_are_kept(docker, build):
    """The values of USER, CMD, EXPOSE, and ENV are in the image's settings."""
    [image] = json.loads(docker("image", "inspect", build()).stdout)

    assert image["Config"]["User"] == "10001"
    assert image["Config"]["Cmd"][0] == "gunicorn"
    assert "8000/tcp" in image["Config"]["ExposedPorts"]
    assert "PYTHONUNBUFFERED=1" in image["Config"]["Env"]


def test_order_is_all(docker, build):
    """The two orders differ in nothing else: the settings of both images are the same."""
    good, bad = (
        json.loads(docker("image", "inspect", build(dockerfile)).stdout)[0]["Config"]
        for dockerfile in ("Dockerfile", "Dockerfile.bad")
    )

    assert {**good, "Image": ""} == {**bad, "Image": ""}


def test_from_makes_none(docker, build):
    """FROM makes no layer: the image's lowest layers are those of its base, the same IDs in the same order."""
    base = layers(docker, "python:3.13-slim")

    assert layers(docker, build())[: len(base)] == base


def test_shared(docker, build):
    """The good and the bad image, from two Dockerfiles, hold the same layers up to where their instructions part."""
    good, bad = layers(docker, build()), layers(docker, build("Dockerfile.bad"))
    base = layers(docker, "python:3.13-slim")

    assert good[: len(base) + 1] == bad[: len(base) + 1]
    assert good[len(base) + 1] != bad[len(base) + 1]


def test_content_addressed(docker, copy, name):
    """One file copied onto two different bases gives a layer with the same ID."""
    tops = []
    for base in ("debian:trixie-slim", "python:3.13-slim"):
        dockerfile = f"FROM {base}\nCOPY app.py /app.py\n"
        docker("build", "--no-cache", "--file", "-", "--tag", name("image"), str(copy), input=dockerfile)
        tops.append(layers(docker, name("image"))[-1])

    assert tops[0] == tops[1]


def test_layer_id(docker, build, tmp_path):
    """A layer is a tar archive, and its ID is the SHA-256 of that archive."""
    image = build("Dockerfile.stamp")
    archives = saved(docker, image, tmp_path)

    assert [f"sha256:{hashlib.sha256(archive).hexdigest()}" for archive in archives] == layers(docker, image)


def test_layer_is_a_difference(docker, build, tmp_path):
    """The layer of a RUN holds what that step changed, not the system below it."""
    top = saved(docker, build("Dockerfile.stamp"), tmp_path)[-1]

    assert list(members(top)) == ["stamp"]


def test_what_size_means(docker, engine, only_docker, tmp_path):
    """docker image inspect gives an image's unpacked size, or with containerd's image store its size in a registry."""
    only_docker("Podman has a store of its own")
    unpacked = sum(size for size, _ in rows(docker, "debian:trixie-slim"))
    size = int(docker("image", "inspect", "--format", "{{.Size}}", "debian:trixie-slim").stdout)

    if engine.facts["store"] == "containerd":
        docker("save", "--output", str(tmp_path / "image.tar"), "debian:trixie-slim")
        with tarfile.open(tmp_path / "image.tar") as archive:
            sent = sum(member.size for member in archive if member.name.startswith("blobs/"))
        assert size < 0.6 * unpacked
        assert abs(size - sent) < 0.01 * sent
    else:
        assert abs(size - unpacked) < 0.01 * unpacked


# What deleting does.


def test_rm_later(docker, build, measure):
    """A file of 20 MB removed by a later RUN still costs its 20 MB."""
    size = own_bytes(docker, build("Dockerfile.rm-later"), "debian:trixie-slim")

    measure("rm-later", size, "bytes", low=BLOB, high=1.05 * BLOB)


def test_same_run(docker, build, measure):
    """The same file removed in the RUN that made it costs at most 200 kB."""
    size = own_bytes(docker, build("Dockerfile.same-run"), "debian:trixie-slim")

    measure("same-run", size, "bytes", high=0.01 * BLOB)


def test_chown_later(docker, build, measure):
    """A later RUN that only changes the file's owner costs the whole file once more."""
    size = own_bytes(docker, build("Dockerfile.chown-later"), "debian:trixie-slim")

    measure("chown-later", size, "bytes", low=2 * BLOB, high=2.05 * BLOB)


def test_removed_file_is_still_there(docker, build, tmp_path):
    """The file that a container can't see is whole in the saved image; the layer above it only marks it as gone."""
    image = build("Dockerfile.rm-later")
    seen = docker("run", "--rm", image, "ls", "/blob", check=False)
    made, removed = (members(layer) for layer in saved(docker, image, tmp_path)[-2:])

    assert seen.returncode != 0
    assert made["blob"] == BLOB
    assert ".wh.blob" in removed
    assert "blob" not in removed


# What a container adds.


def test_new_container(docker, idle, measure):
    """A new container is no copy of its image: its own layer holds at most 100 kB."""
    size = docker("inspect", "--size", "--format", "{{.SizeRw}}", idle("one")).stdout

    measure("new-container", int(size), "bytes", high=100_000)


def test_one_write_of_five(docker, idle):
    """Of five containers of one image, one writes a file, and the other four do not see it."""
    first, *others = [idle(suffix) for suffix in "abcde"]
    docker("exec", first, "touch", "/tmp/note")

    assert docker("exec", first, "ls", "/tmp").stdout == "note\n"
    assert [docker("exec", other, "ls", "/tmp").stdout for other in others] == [""] * 4


def test_diff(docker, idle):
    """docker diff lists what a container added, changed, and deleted; another container still has the deleted file."""
    one = idle("one")
    docker("exec", "--user", "0", one, "sh", "-c", "touch /tmp/note && rm /stamp")
    listed = docker("diff", one).stdout.splitlines()

    assert {"A /tmp/note", "C /tmp", "D /stamp"} <= set(listed)
    assert docker("diff", idle("two")).stdout == ""
    assert docker("exec", idle("three"), "ls", "/stamp").stdout == "/stamp\n"


def test_stop_keeps_and_rm_loses(docker, idle):
    """What a container wrote outlives a stop and a start, and goes with the container."""
    one = idle("one")
    docker("exec", one, "touch", "/tmp/note")
    docker("restart", "-t", "0", one)
    kept = docker("exec", one, "ls", "/tmp").stdout
    docker("rm", "--force", one)

    assert kept == "note\n"
    assert docker("exec", idle("one"), "ls", "/tmp").stdout == ""


# For the pictures.


def test_stack(engine, build, table):
    """Of all that the image adds to its base, the layer of the packages holds 99 percent of the bytes and more."""
    rows = stacks(engine, {"cache-order": build()}, "python:3.13-slim")
    table("layers", "layers", rows)
    added = {row["instruction"]: row["bytes"] for row in rows if row["layer"] and not row["base"]}

    assert added[INSTALL] > 0.99 * sum(added.values())


@pytest.fixture
def before_and_after(engine, docker, ran, copy, name):
    """Build, edit the source, build again, and return the rows of both images and what only the second one holds."""

    def call(dockerfile):
        ran(dockerfile)
        docker("tag", name("image"), name("before"))
        edit(copy / "app.py")
        ran(dockerfile)
        found = stacks(engine, {"before": name("before"), "after": name("image")}, "python:3.13-slim")
        old = {row["layer"] for row in found if row["image"] == "before"}
        return found, [row["instruction"] for row in found if row["image"] == "after" and row["layer"] not in old]

    return call


def test_shared_in_good_order(before_and_after, table):
    """In the good order, the images from before and after an edit share all layers but that of the source."""
    found, fresh = before_and_after("Dockerfile")
    table("edited", "layers", found)

    assert fresh == ["COPY . ."]


def test_shared_in_bad_order(before_and_after, table):
    """In the bad order, the images from before and after an edit don't share the layer of the packages either."""
    found, fresh = before_and_after("Dockerfile.bad")
    table("edited-bad", "layers", found)

    assert fresh == ["COPY . .", INSTALL]


@pytest.fixture
def timed(docker, copy, name, needs):
    """Build the copy and return a row per step, with its state and seconds: ``timed("Dockerfile", "nothing")``."""

    needs("buildx", "0.14", "an older builder does not tell its times exactly")

    def call(dockerfile, changed):
        args = ["--file", str(copy / dockerfile), "--tag", name("image"), str(copy)]
        log = docker("build", "--progress=rawjson", *args, timeout=300).stderr
        steps = {}
        for vertex in (vertex for line in log.splitlines() for vertex in json.loads(line).get("vertexes", ())):
            if re.match(r"\[\d+/\d+\] (?!FROM)", vertex["name"]):
                steps.setdefault(vertex["name"], {}).update(vertex)
        return [_row(dockerfile, changed, steps[step]) for step in sorted(steps)]

    return call


def _row(dockerfile, changed, vertex):
    began, ended = (datetime.fromisoformat(vertex[key]) for key in ("started", "completed"))
    return {
        "variant": dockerfile,
        "edit": changed,
        "step": vertex["name"].partition("] ")[2],
        "state": "cached" if vertex.get("cached") else "run",
        "seconds": 0 if vertex.get("cached") else round((ended - began).total_seconds(), 2),
    }


@pytest.fixture
def edits(timed, copy):
    """Build both variants after each of several edits, and return the rows of it all."""

    def call():
        rows = []
        for dockerfile in ("Dockerfile", "Dockerfile.bad"):
            timed(dockerfile, "")
        for changed in ("nothing", "time of app.py", "README.md", "app.py", "requirements.txt"):
            if changed == "time of app.py":
                os.utime(copy / "app.py", (1, 1))
            elif changed != "nothing":
                edit(copy / changed)
            rows += [*timed("Dockerfile", changed), *timed("Dockerfile.bad", changed)]
        return rows

    return call


def test_timeline(edits, table, repeat):
    """A new time or an edited README cost no step in either order; the source costs the bad order the packages too."""
    runs = repeat(edits)
    table("timeline", "timeline", *runs)
    ran = [(row["edit"], row["variant"], row["step"]) for row in runs[0] if row["state"] == "run"]

    assert ran == [
        ("app.py", "Dockerfile", "COPY . ."),
        *(("app.py", "Dockerfile.bad", step) for step in ("COPY . .", INSTALL)),
        *(("requirements.txt", "Dockerfile", step) for step in ("COPY requirements.txt .", INSTALL, "COPY . .")),
        *(("requirements.txt", "Dockerfile.bad", step) for step in ("COPY . .", INSTALL)),
    ]
