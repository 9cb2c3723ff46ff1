"""Claims of the example shared-kernel."""

from __future__ import annotations

import time

import pytest

NAMESPACES = ("pid", "mnt", "net", "uts", "ipc", "user", "cgroup")
FLAGS = {"pid": "--pid", "net": "--network", "uts": "--uts", "ipc": "--ipc", "user": "--userns", "cgroup": "--cgroupns"}
# The whole path, for the busybox image need not search /usr/local/bin.
PROBE, LIST = "/usr/local/bin/probe", "/usr/local/bin/namespaces"


@pytest.fixture(scope="module")
def namespaces(docker, build):
    """List the namespaces of a container with these flags, as name -> identity: ``namespaces("--pid", "host")``."""

    def call(*flags):
        return dict(line.split() for line in docker("run", "--rm", *flags, build(), LIST).stdout.splitlines())

    return call


@pytest.fixture(scope="module")
def hosts(docker, build, prefix):
    """The host's own namespaces, but for mnt: those of a container that is told to share all that can be shared.

    It stays until the end: the identity of a namespace that is gone is given to another.
    """
    flags = (word for flag in FLAGS.values() for word in (flag, "host"))
    docker("run", "--detach", "--name", f"{prefix}-open", *flags, build(), "sleep", "600")
    return dict(line.split() for line in docker("exec", f"{prefix}-open", LIST).stdout.splitlines())


@pytest.fixture
def remapped(docker):
    """Skip where the engine was set up to give its containers a user namespace of their own."""
    options = docker("info", "--format", "{{json .SecurityOptions}}").stdout
    if "name=userns" in options or "name=rootless" in options:
        pytest.skip("this engine maps users (rootless, or userns-remap)")


@pytest.fixture
def idle(docker, build, name):
    """Start a container that does nothing for a while: ``idle("one")``."""

    def call(suffix):
        docker("run", "--detach", "--name", name(suffix), build("Dockerfile.busybox"), "sleep", "600")
        return name(suffix)

    return call


def seconds_of_run(docker, image):
    """Return how long it takes from the command until a container has started, run and gone."""
    start = time.perf_counter()
    docker("run", "--rm", image, "true")
    return time.perf_counter() - start


# What is shared.


def test_one_kernel(docker, build, engine):
    """Two images with different files run on one kernel, the engine's."""
    images = build(), build("Dockerfile.busybox")
    kernels = {docker("run", "--rm", image, "uname", "-r").stdout.strip() for image in images}

    assert kernels == {engine.facts["kernel"]}


def test_two_userlands(docker, build):
    """The tools come from the image: sed is GNU's in one, and not in the other, whatever the host has."""
    debian, busybox = (
        docker("run", "--rm", image, "sed", "--version").stdout.splitlines()[0]
        for image in (build(), build("Dockerfile.busybox"))
    )

    assert debian.startswith("sed (GNU sed) ")
    assert "not GNU" in busybox


def test_no_kernel_in_the_image(docker, build):
    """An image of Debian has nothing to boot: /boot is empty, and there are no kernel modules."""
    assert docker("run", "--rm", build(), "ls", "-A", "/boot").stdout == ""
    assert docker("run", "--rm", build(), "test", "-e", "/lib/modules", check=False).returncode == 1


def test_only_linux(docker):
    """The engine says that its containers are for Linux: no image can bring another kernel along."""
    assert docker("info", "--format", "{{.OSType}}").stdout.strip() == "linux"


def test_root_is_root(docker, build, tmp_path, remapped):
    """Root in a container is user 0 on the host: what it makes through a bind mount belongs to the host's root."""
    mount = ("run", "--rm", "--user", "0", "--volume", f"{tmp_path}:/out", build())
    docker(*mount, "touch", "/out/made-inside")
    owner = (tmp_path / "made-inside").stat().st_uid
    docker(*mount, "rm", "/out/made-inside")

    assert owner == 0


# What is isolated.


def test_namespaces(docker, namespaces, hosts, table, remapped):
    """A container has pid, mnt, net, uts and ipc namespaces of its own, but shares the host's user namespace."""
    plain = namespaces()
    own = {each for each in NAMESPACES if plain[each] != hosts[each]}
    version = docker("info", "--format", "{{.CgroupVersion}}").stdout.strip()
    rows = []
    for each in NAMESPACES:
        found = "its own" if each in own else "the host's"
        cell = f"{found} (cgroup version {version})" if each == "cgroup" else found
        flag = f"{FLAGS[each]} host" if each in FLAGS else "there is no flag"
        rows += [{"row": each, "column": "by default a container has", "cell": cell}]
        rows += [{"row": each, "column": "to share the host's", "cell": flag if each in own else "nothing to do"}]
    table("namespaces", "grid", rows)

    assert own - {"cgroup"} == {"pid", "mnt", "net", "uts", "ipc"}


def test_one_wall_at_a_time(namespaces, hosts):
    """Each of --pid, --network, --uts and --ipc with the value host gives up one namespace, and only that."""
    given_up = {"pid", "net", "uts", "ipc"}
    for each in given_up:
        found = namespaces(FLAGS[each], "host")

        assert {other for other in given_up if found[other] == hosts[other]} == {each}


def test_cgroup_namespace(docker, namespaces, hosts):
    """The cgroup namespace is a container's own where the host has cgroup version 2, and the host's with version 1."""
    version = docker("info", "--format", "{{.CgroupVersion}}").stdout.strip()

    assert (namespaces()["cgroup"] == hosts["cgroup"]) == (version == "1")
    assert namespaces("--cgroupns", "private")["cgroup"] != hosts["cgroup"]


def test_first_of_few(docker, build):
    """A container's command is process 1, and sees no process but those of its own container."""
    lines = docker("run", "--rm", build(), PROBE).stdout.splitlines()

    assert lines[2] == "processes  1, and this is number 1"


def test_seen_from_the_host(docker, build, idle):
    """The host sees a container's process in its own list, under another number, and can end it."""
    container = idle("seen")
    pid = docker("inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
    look = ("run", "--rm", "--pid", "host", "--user", "0", build("Dockerfile.busybox"))
    command = docker(*look, "cat", f"/proc/{pid}/cmdline").stdout.split("\0")
    docker(*look, "kill", "-KILL", pid)

    assert int(pid) > 1
    assert command[:2] == ["sleep", "600"]
    assert docker("wait", container).stdout.strip() == "137"


# What it costs.


def test_starts_quickly(docker, build, measure, repeat):
    """A container is started, run and removed within three seconds."""
    image = build()

    measure("start", repeat(lambda: seconds_of_run(docker, image)), "seconds", high=3)


def test_size_does_not_slow_the_start(docker, build, measure, table):
    """An image with 200 MB more starts as quickly as the small one, once both are on the machine."""
    images = {"a small image": build("Dockerfile.busybox"), "the same with 200 MB more": build("Dockerfile.big")}
    ballast = docker("run", "--rm", build("Dockerfile.big"), "stat", "-c", "%s", "/ballast").stdout
    assert ballast == "200000000\n"
    rounds = [
        [{"label": label, "seconds": seconds_of_run(docker, image)} for label, image in images.items()]
        for _ in range(3)
    ]
    table("sizes", "durations", *rounds)
    small, big = (min(row["seconds"] for row in column) for column in zip(*rounds, strict=True))

    measure("big-to-small", big / small, "ratio", low=0.5, high=2)


def test_ten_idle_containers(idle, measure):
    """Ten idle containers of one image take less than 100 MB of memory together."""
    from docker import from_env

    names = [idle(str(number)) for number in range(10)]
    client = from_env()
    used = [client.api.stats(each, stream=False, one_shot=True)["memory_stats"]["usage"] for each in names]
    client.close()

    measure("ten-idle", sum(used), "bytes", low=10_000, high=100_000_000)


def test_compose_runs_both(docker, folder, prefix):
    """Compose runs both images, and each tells the same kernel."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-compose"]
    told = docker(*compose, "up", "--build", "--no-log-prefix", timeout=300).stdout
    kernels = [line.split()[1] for line in told.splitlines() if line.startswith("kernel ")]
    docker(*compose, "down", "--rmi", "local")

    assert len(kernels) == 2
    assert len(set(kernels)) == 1
