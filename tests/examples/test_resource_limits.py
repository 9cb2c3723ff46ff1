"""Claims of the example resource-limits."""

from __future__ import annotations

import json
import re

import pytest

#: No more memory than this, and no swap on top of it.
MEMORY = ("--memory", "64m", "--memory-swap", "64m")


@pytest.fixture
def told(docker, build):
    """Run limits.py with these flags, and return what it tells: what -> (what it may use, what it sees)."""

    def call(*flags):
        return rows(docker("run", "--rm", *flags, build()).stdout)

    return call


@pytest.fixture
def ended(docker, build, name):
    """Run a command in a container to its end, and return the state of the container: ``ended(flags, *command)``."""

    def call(flags, *command):
        docker("run", "--name", name("ended"), *flags, build(), *command, check=False)
        return json.loads(docker("inspect", "--format", "{{json .State}}", name("ended")).stdout)

    return call


def rows(text):
    """Return the table that limits.py printed."""
    table = text.partition("sees\n")[2]
    return {what: (limit, *seen) for what, limit, *seen in (re.split(r" {2,}", line) for line in table.splitlines())}


# What can be limited, and where it can be read.


def test_no_limit_unless_asked(told):
    """A container that is started without limits may use all the memory and all the CPUs of the machine."""
    free = told()

    assert free["memory"][0] == "no limit"
    assert free["CPUs"][0] == "no limit"


def test_memory_limit_is_in_the_cgroup(told):
    """With --memory 64m, the container's cgroup says 64 MiB, in whichever file its version has."""
    assert told("--memory", "64m")["memory"][0] == "64 MiB"


def test_cpu_limit_is_in_the_cgroup(told):
    """With --cpus 0.5, the container's cgroup allows half of a CPU's time."""
    assert told("--cpus", "0.5")["CPUs"][0] == "0.5"


def test_pids_limit_is_in_the_cgroup(told):
    """With --pids-limit 10, the container's cgroup allows ten processes."""
    assert told("--pids-limit", "10")["processes"][0] == "10"


def test_limits_are_not_seen(told, docker):
    """A program that asks for the machine's memory and CPUs is told the whole machine, whatever its limits."""
    limited = told(*MEMORY, "--cpus", "0.5")
    cpus, memory = json.loads(docker("info", "--format", "[{{.NCPU}}, {{.MemTotal}}]").stdout)

    assert limited["CPUs"][1] == str(cpus)
    assert limited["memory"][1] == f"{memory // 2**20} MiB"


def test_what_each_limit_does(told, table):
    """Each flag changes the one limit that it names, and none of what the program sees of the machine."""
    flags = {"memory": ("--memory", "64m"), "CPUs": ("--cpus", "0.5"), "processes": ("--pids-limit", "10")}
    flags |= {"/dev/shm": ("--shm-size", "128m"), "open files": ("--ulimit", "nofile=256")}
    free, limited, grid = told(), told(*(word for flag in flags.values() for word in flag)), []
    for what, flag in flags.items():
        unlimited = "what the engine gives" if what == "open files" else free[what][0]
        cells = {"no flag": unlimited, "with the flag": limited[what][0], "the flag": " ".join(flag)}
        grid += [{"row": what, "column": column, "cell": cell} for column, cell in cells.items()]
    table("flags", "grid", grid)

    assert all(free[what][0] != limited[what][0] for what in flags)
    assert all(free[what][1:] == limited[what][1:] for what in flags)


# What happens at the limit.


def test_out_of_memory(ended):
    """A program that takes more memory than its limit is killed: exit status 137, and OOMKilled is true."""
    state = ended(MEMORY, "linger", "python", "cache.py", "host")

    assert (state["ExitCode"], state["OOMKilled"]) == (137, True)


def test_the_limit_can_be_kept(ended):
    """The same program fits when it takes half of its limit, not half of the machine."""
    state = ended(MEMORY, "python", "cache.py", "limit")

    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_killed_for_another_reason(docker, build, name):
    """Exit status 137 alone does not say out of memory: docker kill gives it too, with OOMKilled false."""
    docker("run", "--detach", "--name", name("killed"), build(), "sleep", "600")
    docker("kill", name("killed"))
    state = json.loads(docker("inspect", "--format", "{{json .State}}", name("killed")).stdout)

    assert (state["ExitCode"], state["OOMKilled"]) == (137, False)


def test_stats_tells_the_limit(docker, build, name):
    """docker stats tells how much memory a container takes, next to its limit."""
    docker("run", "--detach", "--name", name("busy"), *MEMORY, build(), "sleep", "600")
    used, _, limit = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name("busy")).stdout.partition(" / ")

    assert used.endswith("B")
    assert limit.startswith(("64MiB", "67.1"))


def test_a_container_outlives_its_program(ended):
    """Out of memory kills one process: a container whose first process is another goes on, and may end with 0."""
    assert ended(MEMORY, "sh", "-c", "python cache.py host; exit 0")["ExitCode"] == 0


def test_cpu_is_slowed_down(docker, build, measure, repeat):
    """At its CPU limit a program is not killed but made to wait: with --cpus 0.5 it has the CPU half of a second."""

    def given():
        said = docker("run", "--rm", "--cpus", "0.5", build(), "python", "burn.py").stdout
        return int(re.search(r"(\d+)%", said)[1]) / 100

    measure("cpu-in-a-second", repeat(given), "seconds", low=0.05, high=0.62)


def test_processes_are_refused(docker, build):
    """At its process limit a container cannot start another: of ten, the first one is itself."""
    said = docker("run", "--rm", "--pids-limit", "10", build(), "python", "forks.py").stdout

    assert said == "started 9, then: Resource temporarily unavailable\n"


def test_shared_memory(told):
    """/dev/shm has 64 MiB unless --shm-size says otherwise."""
    assert told()["/dev/shm"][0] == "64 MiB"
    assert told("--shm-size", "128m")["/dev/shm"][0] == "128 MiB"


def test_open_files(docker, build):
    """With --ulimit nofile a process is refused one file more: Too many open files."""
    many = "files = [open('/dev/null') for _ in range(30)]"
    done = docker("run", "--rm", "--ulimit", "nofile=20", build(), "python", "-c", many, check=False)

    assert done.returncode == 1
    assert "Too many open files" in done.stderr


def test_update(docker, build, name):
    """The limits of a running container can be changed, and hold at once."""
    docker("run", "--detach", "--name", name("up"), *MEMORY, build(), "sleep", "600")
    docker("update", "--memory", "128m", "--memory-swap", "128m", name("up"))

    assert rows(docker("exec", name("up"), "python", "limits.py").stdout)["memory"][0] == "128 MiB"


def test_compose_sets_the_same_limits(docker, folder, prefix):
    """Compose sets all these limits from compose.yaml."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-compose"]
    found = rows(docker(*compose, "run", "--build", "--rm", "limits", timeout=300).stdout)
    docker(*compose, "create")
    container = docker(*compose, "ps", "--all", "--quiet", "limits").stdout.strip()
    swap = docker("inspect", "--format", "{{.HostConfig.MemorySwap}}", container).stdout.strip()
    docker(*compose, "down", "--rmi", "local")

    assert int(swap) == 64 * 1024 * 1024
    assert [limit for limit, *_ in found.values()] == ["64 MiB", "0.5", "20", "128 MiB", "256"]
