"""Claims of the example vm-vs-container."""

from __future__ import annotations

import json
import re
import statistics
from datetime import datetime

import pytest

from drydock.fixtures import RUNS, until

#: Seconds until a machine that is emulated on a busy computer must have said all it has to say.
DEADLINE = 180
KERNEL = "console=ttyS0 quiet no_timer_check panic=-1"


@pytest.fixture(scope="module", autouse=True)
def _amd64(engine):
    """The kernel in the machine is for amd64, and so is what the packages of its emulator are asked for."""
    if engine.facts["architecture"] not in ("amd64", "x86_64"):
        pytest.skip("the Dockerfile takes its kernel from the packages for amd64")


@pytest.fixture(scope="module")
def runs(request, docker, build, prefix):
    """What the program told, in a container and in a machine, with the seconds until its first word."""
    told = {"container": [], "vm": []}
    for turn in range(RUNS if request.config.getoption("--record") else 1):
        for target, each in told.items():
            docker("run", "--name", f"{prefix}-{target}-{turn}", build(target=target), timeout=DEADLINE)
            each.append(report(docker, f"{prefix}-{target}-{turn}"))
    return told


@pytest.fixture(scope="module")
def vm(runs):
    """What the program told in the machine."""
    return runs["vm"][0]


@pytest.fixture(scope="module")
def plain(runs):
    """What the program told in the container."""
    return runs["container"][0]


@pytest.fixture(scope="module")
def idle(docker, build, prefix):
    """A container and a machine that have told all, and wait; their names by target."""
    names = {target: f"{prefix}-idle-{target}" for target in ("container", "vm")}
    docker("run", "--detach", "--name", names["container"], build(target="container"), "sleep", "600")
    docker("run", "--detach", "--name", names["vm"], build(target="vm"), f"{KERNEL} stay=600")
    until(lambda: "counting" in docker("logs", names["vm"]).stdout, "the machine ready", DEADLINE)
    return names


def report(docker, container):
    """Return what the ended container's program told, as word -> the rest of its line, and when it began to."""
    lines = docker("logs", "--timestamps", container).stdout.splitlines()
    stamps, said = zip(*(line.split(" ", 1) for line in lines if " " in line), strict=True)
    told = dict(line.split(maxsplit=1) for line in said if re.match(r"[a-z]+ +\S", line))
    first = next(stamp for stamp, line in zip(stamps, said, strict=True) if line.startswith("kernel"))
    created = docker("inspect", "--format", "{{.Created}}", container).stdout.strip()
    return told | {"began": (moment(first) - moment(created)).total_seconds()}


def moment(stamp):
    """Return the time that the engine wrote."""
    return datetime.fromisoformat(stamp)


def number(told, word):
    """Return the first number of what was told: ``number(vm, "memory")``."""
    return float(re.search(r"[\d.]+", told[word])[0])


def test_own_kernel(vm, plain, engine):
    """A container tells the engine's kernel; a machine tells the kernel that was put into its image."""
    assert plain["kernel"] == engine.facts["kernel"]
    assert vm["kernel"].endswith("-cloud-amd64")


def test_booted_by_itself(vm, plain):
    """The kernel of the machine has been started for it; that of the container was running long before."""
    boot_id = re.compile(r"as ([0-9a-f]{8})")

    assert boot_id.search(vm["booted"])[1] != boot_id.search(plain["booted"])[1]
    assert number(vm, "booted") < DEADLINE
    assert number(plain, "booted") > number(vm, "booted")


def test_one_boot_for_all_containers(docker, build, runs):
    """Two containers name the same start of the kernel; each machine names its own."""
    again = docker("run", "--rm", build(target="container")).stdout

    assert runs["container"][0]["booted"].split()[-1] in again
    assert len({told["booted"].split()[-1] for told in runs["vm"]}) == len(runs["vm"])


def test_memory_that_is_seen(vm, plain, docker, measure):
    """A container sees all of the host's memory; a machine sees what it was given, less what its kernel keeps."""
    whole = int(docker("info", "--format", "{{.MemTotal}}").stdout)

    assert abs(number(plain, "memory") - whole / 2**20) < 2
    measure("guest-memory", number(vm, "memory") * 2**20, "bytes", low=50 * 2**20, high=128 * 2**20)


def test_processes(vm, plain, measure):
    """In a container the program is alone; in a machine the kernel's own threads are there too."""
    assert number(plain, "processes") == 1
    measure("guest-processes", number(vm, "processes"), "count", low=20)


def test_seen_from_outside(docker, idle):
    """The host sees a machine as one process, the emulator, and nothing of what runs in it."""
    _, *rows = docker("top", idle["vm"]).stdout.splitlines()

    assert len(rows) == 1
    assert "qemu-system-x86" in rows[0]


def test_turning_off(docker, build, plain, runs):
    """A program may turn its own machine off; in a container it is refused, and the host stays up."""
    image = build(target="container")
    done = docker("run", "--rm", image, "poweroff", "-f", check=False)

    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr
    assert plain["booted"].split()[-1] in docker("run", "--rm", image).stdout


def test_side_by_side(docker, vm, plain, engine, table):
    """Side by side: a container tells of the host's kernel, start and memory; a machine tells of its own."""
    whole = int(docker("info", "--format", "{{.MemTotal}}").stdout) / 2**20
    rows = []
    for column, told in {"in the container": plain, "in the machine": vm}.items():
        shared = told["kernel"] == engine.facts["kernel"], told["booted"] == plain["booted"]
        alone, seen = number(told, "processes") == 1, number(told, "memory") > whole - 2
        rows += [
            {"row": "its kernel", "column": column, "cell": "the engine's" if shared[0] else told["kernel"]},
            {"row": "was booted", "column": column, "cell": "long before" if shared[1] else "for this program"},
            {"row": "memory it sees", "column": column, "cell": "all of the host's" if seen else "what it was given"},
            {"row": "processes it sees", "column": column, "cell": "itself" if alone else "itself and the kernel's"},
        ]
    table("told", "grid", rows)

    assert [row["cell"] for row in rows[:4]] == ["the engine's", "long before", "all of the host's", "itself"]


def test_without_privilege(docker, build, idle):
    """The machine needs no privilege and no device of the host: its emulator runs as user 10001."""
    [found] = json.loads(docker("inspect", idle["vm"]).stdout)

    assert found["Config"]["User"] == "10001"
    assert not found["HostConfig"]["Privileged"]
    assert not found["HostConfig"]["Devices"]


def test_start(runs, measure, table):
    """From the engine's first step to the program's first word, a machine takes longer than a container."""
    began = {target: [told["began"] for told in each] for target, each in runs.items()}
    labels = {"container": "container", "vm": "VM, emulated in software"}
    rounds = [
        [{"label": labels[target], "seconds": each[turn]} for target, each in began.items()]
        for turn in range(len(began["vm"]))
    ]
    table("start", "durations", *rounds)
    medians = [statistics.median(began[target]) for target in ("vm", "container")]

    measure("container-start", began["container"], "seconds", high=10)
    measure("vm-start", began["vm"], "seconds", high=DEADLINE)
    measure("vm-to-container-start", medians[0] / medians[1], "ratio", low=1.5)


def test_emulation_costs(runs, measure):
    """The same program counts many times as slowly on an emulated CPU."""
    taken = {target: [float(told["counting"].split("s")[0]) for told in each] for target, each in runs.items()}

    measure("emulation-cost", statistics.median(taken["vm"]) / statistics.median(taken["container"]), "ratio", low=2)


def test_memory_that_is_used(docker, idle, measure, table):
    """While both only wait, a machine takes many times the memory of a container."""
    from docker import from_env

    client = from_env()
    used = {t: client.api.stats(n, stream=False, one_shot=True)["memory_stats"]["usage"] for t, n in idle.items()}
    client.close()
    labels = {"container": "container", "vm": "VM, emulated in software"}
    table("memory", "sizes", [{"image": labels[target], "bytes": used[target]} for target in used])

    measure("container-memory", used["container"], "bytes", low=10_000, high=20_000_000)
    measure("vm-memory", used["vm"], "bytes", low=30_000_000, high=1_000_000_000)
    measure("vm-to-container-memory", used["vm"] / used["container"], "ratio", low=10)


def test_a_small_guest(docker, build, name, measure, tmp_path):
    """What a machine needs on disk can be small: its kernel and its files are less than 20 MB."""
    docker("create", "--name", name("files"), build(target="vm"))
    for file in ("vmlinuz", "initramfs"):
        docker("cp", f"{name('files')}:/{file}", str(tmp_path / file))
    kernel, files = ((tmp_path / file).stat().st_size for file in ("vmlinuz", "initramfs"))

    measure("guest-kernel", kernel, "bytes", low=5_000_000, high=18_000_000)
    measure("guest-files", files, "bytes", high=2_000_000)
