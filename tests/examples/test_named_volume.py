"""Claims of the example named-volume."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

from drydock.fixtures import until


@pytest.fixture
def run(docker, build):
    """Run a command in a container of its own: ``run("-v", "data:/data", "--", "ls", "/data")``."""

    def call(*args, dockerfile="Dockerfile", check=True):
        options, _, command = " ".join(args).partition(" -- ")
        return docker("run", "--rm", *options.split(), build(dockerfile), *command.split(), check=check)

    return call


@pytest.fixture
def count(run):
    """Count once on a volume, in a new container, and return the number."""
    return lambda volume, **more: int(run("-v", f"{volume}:/data", **more).stdout.removeprefix("count: "))


def names(docker, container):
    """Return the names of the container's volumes."""
    [found] = json.loads(docker("inspect", container).stdout)
    return [mount["Name"] for mount in found["Mounts"] if mount["Type"] == "volume"]


def exists(docker, volume):
    """Say whether the engine has the volume."""
    return docker("volume", "inspect", volume, check=False).returncode == 0


# A volume with a name.


def test_outlives_containers(count, name):
    """The count goes on in a new container that mounts the same volume."""
    assert [count(name("data")) for _ in range(3)] == [1, 2, 3]


def test_made_on_first_use(docker, count, name):
    """A volume need not be made beforehand: naming it makes it, with the driver local."""
    count(name("data"))

    assert docker("volume", "inspect", "--format", "{{.Driver}}", name("data")).stdout == "local\n"


def test_rm_v_keeps(docker, build, count, name):
    """docker rm -v removes a container, and not the volume that has a name."""
    docker("run", "--name", name("a"), "-v", f"{name('data')}:/data", build())
    docker("rm", "-v", name("a"))

    assert count(name("data")) == 2


def test_in_use(docker, build, name):
    """A volume cannot be removed as long as a container mounts it, even a stopped one."""
    docker("run", "--name", name("a"), "-v", f"{name('data')}:/data", build())
    refused = docker("volume", "rm", name("data"), check=False)
    docker("rm", name("a"))
    docker("volume", "rm", name("data"))

    assert "volume is in use" in refused.stderr or "is being used" in refused.stderr
    assert not exists(docker, name("data"))


def test_volume_rm_loses(docker, count, name):
    """The count ends with the volume: after docker volume rm, the same name begins at 1."""
    count(name("data"))
    docker("volume", "rm", name("data"))

    assert count(name("data")) == 1


def test_shared(docker, build, name):
    """Two containers that run at the same time read and write one volume."""
    mount = ("-v", f"{name('data')}:/data")
    for each in ("a", "b"):
        docker("run", "--detach", "--name", name(each), *mount, build(), "sleep", "60")
    said = [docker("exec", name(each), "count").stdout for each in "aba"]

    assert said == ["count: 1\n", "count: 2\n", "count: 3\n"]


def test_backup(run, docker, build, name):
    """A tar of a volume, unpacked into a new one, gives the same files with the same owners."""
    run("-v", f"{name('data')}:/data")
    pack = ("--user", "0", "-v", f"{name('data')}:/data", build(), "tar", "-C", "/data", "-c", ".")
    unpack = ("--user", "0", "-v", f"{name('copy')}:/data:nocopy", build(), "tar", "-C", "/data", "-x")
    docker("run", "--rm", "-i", *unpack, input=docker("run", "--rm", *pack).stdout)
    look = "cd /data; sha256sum *; stat -c %u:%g:%a *"
    seen = [
        docker("run", "--rm", "-v", f"{name(volume)}:/data", build(), "sh", "-c", look).stdout
        for volume in ("data", "copy")
    ]

    assert "10001:10001:644" in seen[0]
    assert seen[0] == seen[1]


# What is in it at first.


def test_first_use_fills(run, name):
    """A new volume takes over what the image has in that place, with its owner."""
    listed = run("-v", f"{name('data')}:/data", "--", "stat -c %u:%g:%n /data /data/seed").stdout

    assert listed == "10001:10001:/data\n10001:10001:/data/seed\n"


def test_nocopy(run, name):
    """With nocopy a new volume stays empty and belongs to root, so that the image's user cannot write to it."""
    mount = f"{name('data')}:/data:nocopy"

    assert run("-v", mount, "--", "ls -A /data").stdout == ""
    assert run("-v", mount, "--", "stat -c %u /data").stdout == "0\n"
    assert "Permission denied" in run("-v", mount, check=False).stderr


def test_later_image(run, docker, folder, name):
    """A newer image does not change a volume that holds something: it shows the file of the older image."""
    mount = f"{name('data')}:/data"
    run("-v", mount)
    (folder / "seed").write_text("newer\n")
    docker("build", "--tag", name("newer"), str(folder))

    assert docker("run", "--rm", name("newer"), "cat", "/data/seed").stdout == "newer\n"
    assert "came with the image" in docker("run", "--rm", "-v", mount, name("newer"), "cat", "/data/seed").stdout


def test_root_owned(run, name):
    """Where the image has no such directory, root owns the new volume: the image's user gets "Permission denied"."""
    mount = ("-v", f"{name('data')}:/data")
    refused = run(*mount, dockerfile="Dockerfile.root-owned", check=False)

    assert refused.returncode != 0
    assert "cannot create /data/count: Permission denied" in refused.stderr


def test_chown_mends(run, name):
    """One chown by root fixes such a volume, and the image's user can write to it."""
    mount = ("-v", f"{name('data')}:/data")
    run(*mount, "--user", "0", "--", "chown 10001:10001 /data", dockerfile="Dockerfile.root-owned")

    assert run(*mount, dockerfile="Dockerfile.root-owned").stdout == "count: 1\n"


# A volume without a name.


@pytest.fixture
def anonymous(docker, build, name):
    """Make a container of the image that declares a volume, and return its name and the volume's."""

    def call(*options):
        docker("run", "--name", name("a"), *options, build("Dockerfile.volume"))
        [volume] = names(docker, name("a"))
        return name("a"), volume

    return call


def test_declared(anonymous):
    """For VOLUME in its image, a container without a mount gets a volume under 64 hexadecimal digits."""
    _, volume = anonymous()

    assert re.fullmatch("[0-9a-f]{64}", volume)


def test_rm_leaves_it(docker, anonymous, count):
    """docker rm leaves such a volume behind with the count that is in it, and the next container gets another one."""
    container, volume = anonymous()
    docker("rm", container)
    _, second = anonymous()
    left = count(volume)
    docker("volume", "rm", volume)

    assert left == 2
    assert second != volume


def test_rm_v_removes_it(docker, anonymous):
    """docker rm -v removes such a volume with its container."""
    container, volume = anonymous()
    docker("rm", "-v", container)

    assert not exists(docker, volume)


def test_rm_flag_removes_it(docker, build, name):
    """With --rm such a volume goes with its container when the container ends."""
    docker("run", "--detach", "--rm", "--name", name("a"), "--init", build("Dockerfile.volume"), "sleep", "60")
    [volume] = names(docker, name("a"))
    docker("stop", name("a"))

    until(lambda: not exists(docker, volume), "the end of the volume")


def test_name_wins(docker, build, count, name):
    """A named volume in the declared place takes the anonymous one's, so that nothing is left behind."""
    docker("run", "--name", name("a"), "-v", f"{name('data')}:/data", build("Dockerfile.volume"))

    assert names(docker, name("a")) == [name("data")]
    assert count(name("data")) == 2


def test_cannot_be_undone(docker, build, name):
    """An image built on one that declares a volume declares it too, and VOLUME [] is an error."""
    parent = f"FROM {build('Dockerfile.volume')}\n"
    docker("build", "--tag", name("child"), "-", input=f"{parent}ENV CHILD=yes\n")
    declared = docker("image", "inspect", "--format", "{{json .Config.Volumes}}", name("child")).stdout
    refused = docker("build", "-", input=f"{parent}VOLUME []\n", check=False)

    assert refused.returncode != 0
    assert "VOLUME requires at least one argument" in refused.stdout + refused.stderr
    assert json.loads(declared) == {"/data": {}}


def test_postgres_declares_one(docker):
    """The image postgres:17 declares a volume for its data."""
    docker("pull", "--quiet", "postgres:17", timeout=300)
    declared = docker("image", "inspect", "--format", "{{json .Config.Volumes}}", "postgres:17").stdout

    assert json.loads(declared) == {"/var/lib/postgresql/data": {}}


def test_prune_keeps_names(docker, name, only_docker):
    """docker volume prune removes an unused volume without a name, and one with a name only when --all is said."""
    only_docker("Podman's prune takes volumes with a name, too")
    label = f"prune={name('prune')}"
    docker("volume", "create", "--label", label, name("named"))
    nameless = docker("volume", "create", "--label", label).stdout.strip()
    docker("volume", "prune", "--force", "--filter", f"label={label}")
    left = [exists(docker, volume) for volume in (name("named"), nameless)]
    docker("volume", "prune", "--force", "--all", "--filter", f"label={label}")

    assert left == [True, False]
    assert not exists(docker, name("named"))


# Compose.


@pytest.fixture
def stack(docker, folder, name):
    """Return a stack of this test's own: ``stack("compose.yaml", "counter")``; ``.compose("up")``, ``.count()``."""

    def call(file, service):
        options = ["--file", str(folder / file), "--project-name", name("stack")]

        def compose(*args):
            stop = ["--timeout", "0"] if args[0] in ("up", "down", "restart") else []
            detach = ["--detach"] if args[0] == "up" else []
            return docker("compose", *options, *args, *stop, *detach).stdout

        def inside(*args):
            return compose("exec", "-T", service, *args)

        def container():
            return compose("ps", "--quiet", service).strip()

        return SimpleNamespace(compose=compose, inside=inside, container=container, count=lambda: inside("count"))

    return call


def test_compose_carries_over(docker, stack):
    """When Compose replaces a container, it hands the anonymous volume on to the new one."""
    counter = stack("compose.anonymous.yaml", "counter")
    counter.compose("up")
    counter.count()
    before = names(docker, counter.container())
    counter.compose("up", "--force-recreate")
    after, said = names(docker, counter.container()), counter.count()
    counter.compose("down")
    docker("volume", "rm", *before)

    assert after == before
    assert said == "count: 2\n"


def test_compose_down_leaves_it(docker, stack, count):
    """After docker compose down the anonymous volume is still there, but docker compose up takes a new one."""
    counter = stack("compose.anonymous.yaml", "counter")
    counter.compose("up")
    counter.count()
    [volume] = names(docker, counter.container())
    counter.compose("down")
    counter.compose("up")
    again, left = counter.count(), count(volume)
    docker("volume", "rm", volume)

    assert (again, left) == ("count: 1\n", 2)


def test_compose_down_keeps_the_name(stack):
    """A volume that a Compose file names outlives docker compose down: the next docker compose up counts on."""
    counter = stack("compose.yaml", "counter")
    counter.compose("up", "--build")
    first = counter.count()
    counter.compose("down")
    counter.compose("up")

    assert (first, counter.count()) == ("count: 1\n", "count: 2\n")


# For the picture: what outlives what.

PLACES = {"layer": "writable layer", "anonymous": "anonymous volume", "named": "named volume", "bind": "bind mount"}
PLACES |= {"tmpfs": "tmpfs"}
#: What is done to the container; afterwards "up" makes a new one where it is gone.
EVENTS = {
    "`docker stop`, `docker start`": ["stop -t 0 {}", "start {}"],
    "`docker restart`": ["restart -t 0 {}"],
    "`docker rm --force`": ["rm --force {}"],
    "`docker rm --force -v`": ["rm --force -v {}"],
    "`docker compose up --force-recreate`": ["compose up --force-recreate"],
    "`docker compose up --force-recreate -V`": ["compose up --force-recreate -V"],
    "`docker compose down`": ["compose down"],
    "`docker compose down -v`": ["compose down -v"],
    "`docker compose up --force-recreate`, `docker compose down -v`": [
        "compose up --force-recreate",
        "compose down -v",
    ],
}


@pytest.fixture
def outlived(docker, build, folder, stack):
    """Write to the five places, do what the event says, and return by place what the next container finds of it."""
    (folder / "bind").mkdir()
    (folder / "bind").chmod(0o777)
    places = stack("compose.places.yaml", "places")
    places.compose("up")

    def call(mark, commands):
        container = places.container()
        [volume] = [each for each in names(docker, container) if re.fullmatch("[0-9a-f]{64}", each)]
        places.inside("touch", *(f"/{place}/{mark}" for place in PLACES))
        for command in commands:
            words = command.format(container).split()
            places.compose(*words[1:]) if words[0] == "compose" else docker(*words)
        if docker("container", "inspect", container, check=False).returncode:
            places.compose("up", "--no-recreate")
        found = places.inside("find", *(f"/{place}" for place in PLACES), "-name", mark).split()
        cells = {place: "kept" if f"/{place}/{mark}" in found else "gone" for place in PLACES}
        if volume not in names(docker, places.container()) and exists(docker, volume):
            listed = docker("run", "--rm", "-v", f"{volume}:/left", build("Dockerfile.places"), "ls", "/left").stdout
            docker("volume", "rm", volume)
            cells["anonymous"] = "left behind" if mark in listed.split() else "gone"
        return cells

    return call


def test_what_outlives_what(outlived, table):
    """A stop empties the tmpfs, a removal the writable layer too; of all these, only down -v takes a named volume."""
    found = {event: outlived(f"mark-{n}", commands) for n, (event, commands) in enumerate(EVENTS.items())}
    rows = [
        {"row": event, "column": PLACES[place], "cell": cell}
        for event, cells in found.items()
        for place, cell in cells.items()
    ]
    table("outlives", "grid", rows)

    assert [[*cells.values()] for cells in found.values()] == [
        ["kept", "kept", "kept", "kept", "gone"],
        ["kept", "kept", "kept", "kept", "gone"],
        ["gone", "left behind", "kept", "kept", "gone"],
        ["gone", "gone", "kept", "kept", "gone"],
        ["gone", "kept", "kept", "kept", "gone"],
        ["gone", "left behind", "kept", "kept", "gone"],
        ["gone", "left behind", "kept", "kept", "gone"],
        ["gone", "gone", "gone", "kept", "gone"],
        ["gone", "left behind", "gone", "kept", "gone"],
    ]
