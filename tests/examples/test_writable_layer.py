"""Claims of the example writable-layer."""

from __future__ import annotations

import json
import time

import pytest

from drydock.fixtures import until


@pytest.fixture
def idle(docker, build, name):
    """Start a container that does nothing, and return its name: ``idle("a", "--tmpfs", "/data")``."""

    def call(suffix, *options):
        docker("run", "--detach", "--name", name(suffix), *options, build(), "sleep", "600")
        return name(suffix)

    return call


def gone(docker, container):
    """Wait until the container is gone."""
    return until(lambda: docker("container", "inspect", container, check=False).returncode == 1, "its removal")


@pytest.fixture
def count(docker):
    """Count once in a running container, and return the number."""
    return lambda container: int(docker("exec", container, "count").stdout.removeprefix("count: "))


# What a stop does.


def test_stop_keeps(docker, idle, count):
    """What a container wrote is there after a stop and a start: the count goes on."""
    one = idle("one")
    before = count(one)
    docker("stop", "-t", "0", one)
    docker("start", one)

    assert (before, count(one)) == (1, 2)


def test_restart_keeps(docker, idle, count):
    """The count goes on after docker restart."""
    one = idle("one")
    before = count(one)
    docker("restart", "-t", "0", one)

    assert (before, count(one)) == (1, 2)


def test_kill_keeps(docker, idle, count):
    """Even a container that is killed keeps what it wrote."""
    one = idle("one")
    before = count(one)
    docker("kill", one)
    docker("start", one)

    assert (before, count(one)) == (1, 2)


def test_stopped_can_be_read(docker, idle, count):
    """The file of a stopped container can be copied out of it."""
    one = idle("one")
    count(one)
    docker("stop", "-t", "0", one)

    assert "1\n" in docker("cp", f"{one}:/data/count", "-").stdout


def test_end_keeps(docker, build, name):
    """A container whose program has ended by itself keeps what it wrote for its next start."""
    docker("run", "--name", name("one"), build())

    assert docker("start", "--attach", name("one")).stdout == "count: 2\n"


# What a removal does.


def test_rm_loses(docker, idle, count):
    """What a container wrote goes when it is removed: a new one of the same name begins at 1."""
    one = idle("one")
    count(one)
    docker("rm", "--force", one)

    assert count(idle("one")) == 1


def test_run_is_a_new_container(docker, build, name):
    """Each docker run makes a new container, which begins at 1, while the first one still has its count."""
    first = docker("run", "--name", name("a"), build()).stdout
    second = docker("run", "--name", name("b"), build()).stdout

    assert first == second == "count: 1\n"
    assert docker("start", "--attach", name("a")).stdout == "count: 2\n"


def test_rm_flag(docker, idle, count):
    """With --rm a stop is a removal too: the container is gone, and its file with it."""
    one = idle("one", "--rm")
    count(one)
    docker("stop", "-t", "0", one)

    assert gone(docker, one)


def test_layers_are_separate(docker, idle, count):
    """Of five containers of one image, one counts, and the other four have no file."""
    first, *others = [idle(suffix) for suffix in "abcde"]
    count(first)

    assert docker("exec", first, "ls", "/data").stdout == "count\n"
    assert [docker("exec", other, "ls", "/data").stdout for other in others] == [""] * 4


def test_diff(docker, idle, count):
    """docker diff lists what a container added, changed and deleted, even when it is stopped."""
    one = idle("one")
    count(one)
    docker("exec", "--user", "0", one, "rm", "/etc/debian_version")
    docker("stop", "-t", "0", one)

    assert {"A /data/count", "C /data", "D /etc/debian_version"} <= set(docker("diff", one).stdout.splitlines())


# What Compose does.


@pytest.fixture
def compose(docker, folder, name):
    """Run ``docker compose ARGS`` on a stack of this test's own."""
    return lambda *args: docker("compose", "--project-directory", str(folder), "--project-name", name("stack"), *args)


@pytest.fixture
def compose_count(compose):
    """Count once in the stack's container, and return the number."""
    return lambda: int(compose("exec", "-T", "counter", "count").stdout.removeprefix("count: "))


def test_compose_restart_keeps(compose, compose_count):
    """docker compose restart keeps the container, and so does docker compose up where nothing has changed."""
    compose("up", "--detach", "--build")
    counts = [compose_count()]
    for step in (["restart", "--timeout", "0"], ["up", "--detach"]):
        compose(*step)
        counts.append(compose_count())

    assert counts == [1, 2, 3]


def test_up_builds_nothing_anew(compose, compose_count, folder):
    """After an edit docker compose up alone builds nothing: the container stays, and runs the program from before."""
    compose("up", "--detach", "--build")
    first, before = compose_count(), compose("ps", "--quiet").stdout
    program = folder / "count"
    text = program.read_text()
    edited = text.replace("count + 1", "count + 10")
    program.write_text(edited)
    try:
        compose("up", "--detach")
    finally:
        program.write_text(text)  # other tests build from the same folder

    assert edited != text
    assert compose("ps", "--quiet").stdout == before
    assert (first, compose_count()) == (1, 2)


def test_update_replaces(compose, compose_count, folder):
    """After an edit and a build, docker compose up replaces the container, and the count begins at 1."""
    compose("up", "--detach", "--build")
    compose_count()
    with (folder / "count").open("a") as program:
        program.write(f"# {time.time_ns()}\n")
    compose("up", "--detach", "--build", "--timeout", "0")

    assert compose_count() == 1


def test_patch_is_lost(compose, compose_count):
    """A program that was mended with exec in the running container is the image's again in the next container."""
    compose("up", "--detach", "--build")
    compose("exec", "-T", "--user", "0", "counter", "sed", "-i", "s/count + 1/count + 10/", "/usr/local/bin/count")
    patched = compose_count()
    compose("up", "--detach", "--force-recreate", "--timeout", "0")

    assert (patched, compose_count()) == (10, 1)


def test_compose_stops_at_once(compose, docker):
    """With init, sleep hears the request to stop, and ends by it: the container's status is 143, and not 137."""
    compose("up", "--detach", "--build")
    container = compose("ps", "--quiet", "counter").stdout.strip()
    compose("stop")

    assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip() == "143"


# What a tmpfs does.


@pytest.fixture
def tmpfs(only_docker):
    """The options of a tmpfs of the user's own."""
    only_docker("it does not know the option uid of a tmpfs")
    return "--tmpfs", "/data:size=1m,uid=10001"


def test_tmpfs_stop_loses(docker, idle, count, tmpfs):
    """What lies on a tmpfs is gone after a stop and a start: the count begins at 1."""
    one = idle("one", *tmpfs)
    before = [count(one), count(one)]
    docker("restart", "-t", "0", one)

    assert (before, count(one)) == ([1, 2], 1)


def test_tmpfs_is_not_in_the_layer(docker, idle, count, tmpfs):
    """What lies on a tmpfs is not in the writable layer: docker diff does not list it."""
    one = idle("one", *tmpfs)
    count(one)

    assert "/data/count" not in docker("diff", one).stdout


def test_tmpfs_has_a_size(docker, idle, tmpfs):
    """A tmpfs takes no more than its size: with 1 MiB, a file of 2 MB does not fit."""
    done = docker("exec", idle("one", *tmpfs), "sh", "-c", "head -c 2000000 /dev/zero > /data/big", check=False)

    assert done.returncode != 0
    assert "No space left on device" in done.stderr


def test_tmpfs_may_be_swapped(docker, idle, tmpfs):
    """The mount is a tmpfs of the kernel without the option noswap: the kernel may write it to swap space."""
    mounts = docker("exec", idle("one", *tmpfs), "cat", "/proc/mounts").stdout.splitlines()
    [[_, _, kind, options, *_]] = [mount.split() for mount in mounts if mount.split()[1] == "/data"]

    assert kind == "tmpfs"
    assert "size=1024k" in options.split(",")
    assert "noswap" not in options.split(",")


def test_tmpfs_is_memory(docker, build, name, only_docker):
    """A file on a tmpfs counts as the container's memory, and one in the writable layer does not."""
    only_docker("it does not know the option uid of a tmpfs")
    limits = ("--memory", "32m", "--memory-swap", "32m", "--tmpfs", "/data:uid=10001")
    for place in ("/data", "/tmp"):
        write = f"exec head -c 64000000 /dev/zero > {place}/big"
        docker("run", "--name", name(place[1:]), *limits, build(), "sh", "-c", write, check=False)
    states = json.loads(docker("inspect", name("data"), name("tmp")).stdout)

    assert [state["State"]["ExitCode"] for state in states] == [137, 0]
