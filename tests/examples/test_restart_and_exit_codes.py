"""Claims of the example restart-and-exit-codes."""

from __future__ import annotations

import itertools
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from drydock.fixtures import until

POLICIES = ("no", "on-failure:3", "unless-stopped", "always")
#: What happens to a container, by what its program is told and by what is done to it.
EVENTS = {
    "it ends with 0": (["status", "0"], None),
    "it ends with 1": (["status", "1"], None),
    "`docker stop`": (["wait"], "stop"),
    "`docker kill`": (["wait"], "kill"),
}
FOREVER = "started again and again"
NEVER = "stays ended"


@pytest.fixture
def inspect(docker):
    """Return what ``docker inspect`` says of a container."""
    return lambda container: json.loads(docker("inspect", container).stdout)[0]


@pytest.fixture
def ended(docker, build, name, inspect):
    """Run a container to its end, and return what was seen: ``ended("status", "42")``."""

    def call(*words: str, options=(), dockerfile="Dockerfile", suffix="c"):
        done = docker("run", "--name", name(suffix), *options, build(dockerfile), *words, check=False)
        found = inspect(name(suffix))
        return {"client": done.returncode, "said": done.stderr, "count": found["RestartCount"], **found["State"]}

    return call


@pytest.fixture
def running(docker, build, name):
    """Start a container, and return its name as soon as its program has started."""

    def call(*words: str, options=(), dockerfile="Dockerfile", suffix="c"):
        docker("run", "--detach", "--stop-timeout=1", "--name", name(suffix), *options, build(dockerfile), *words)
        until(lambda: "started" in docker("logs", name(suffix)).stdout, "the program's start")
        return name(suffix)

    return call


# States.


def test_states(docker, running, inspect, build, name):
    """A container is created, runs, may be paused, has exited, and runs again, until it is removed."""
    docker("create", "--name", name("c"), "--stop-timeout=1", build(), "wait")
    seen = [inspect(name("c"))["State"]["Status"]]
    for action in ("start", "pause", "unpause", "stop", "start", "kill"):
        docker(action, name("c"))
        if action == "kill":
            docker("wait", name("c"))
        seen.append(inspect(name("c"))["State"]["Status"])
    docker("rm", name("c"))

    assert seen == ["created", "running", "paused", "running", "exited", "running", "exited"]
    assert docker("inspect", name("c"), check=False).returncode == 1


def test_exits_at_once(docker, running, inspect, build, name):
    """A container runs as long as its process 1: with --detach, too, it has exited when that has ended."""
    docker("run", "--detach", "--name", name("c"), build())
    status = docker("wait", name("c")).stdout.strip()

    assert status == "0"
    assert inspect(name("c"))["State"]["Status"] == "exited"
    assert docker("logs", name("c")).stdout == "started\n"


def test_shell_without_input(docker, inspect, name):
    """With --detach a container of a shell ends with exit status 0, because it gets no input; with --tty it runs on."""
    for suffix, options in (("plain", []), ("tty", ["--tty"])):
        docker("run", "--detach", "--name", name(suffix), *options, "debian:trixie-slim")
    docker("wait", name("plain"))

    assert inspect(name("plain"))["Config"]["Cmd"] == ["bash"]
    assert inspect(name("plain"))["State"]["ExitCode"] == 0
    assert inspect(name("tty"))["State"]["Status"] == "running"


# Exit codes.


def test_own_status(ended):
    """The exit status of the program is that of the container, and that of docker run."""
    for suffix, status in (("a", 0), ("b", 1), ("c", 42)):
        seen = ended("status", str(status), suffix=suffix)

        assert (seen["client"], seen["ExitCode"], seen["Status"]) == (status, status, "exited")


def test_125(docker, build, name, only_docker):
    """When docker run itself fails, its status is 125, and nothing has run."""
    only_docker("Podman's own failures have other texts")
    done = docker("run", "--name", name("c"), "--restrat", "always", build(), check=False)

    assert done.returncode == 125
    assert docker("inspect", name("c"), check=False).returncode == 1


def test_never_started(ended, only_docker):
    """A program that is not there gives 127 and one that is not executable 126; the container stays created."""
    only_docker("behind Podman's socket, Docker's client ends with exit status 1 and does not learn why")
    missing = ended(options=["--entrypoint", "nosuch"], suffix="a")
    denied = ended(options=["--entrypoint", "/etc/passwd"], suffix="b")

    assert (missing["client"], missing["ExitCode"], missing["Status"]) == (127, 127, "created")
    assert (denied["client"], denied["ExitCode"], denied["Status"]) == (126, 126, "created")


def test_shell_gives_127_too(ended):
    """A shell that finds no program ends with 127 of its own: then the container has run, and has exited."""
    seen = ended("-c", "nosuch", options=["--entrypoint", "sh"])

    assert (seen["ExitCode"], seen["Status"]) == (127, "exited")


def test_signals(ended):
    """A program that a signal ends leaves 128 and the signal's number: 139 is a segmentation fault."""
    seen = {each: ended("signal", each, options=["--init"], suffix=each)["ExitCode"] for each in ("SEGV", "ABRT")}

    assert seen == {"SEGV": 128 + signal.SIGSEGV, "ABRT": 128 + signal.SIGABRT}


def test_137_has_two_reasons(docker, ended, running, inspect):
    """137 comes from a stop that was not heard as well as from a want of memory; OOMKilled tells which."""
    memory = ended("memory", options=["--memory=16m", "--memory-swap=16m"], suffix="memory")
    deaf = running("deaf", suffix="deaf")
    docker("stop", deaf)

    assert (memory["ExitCode"], memory["OOMKilled"]) == (137, True)
    stopped = inspect(deaf)["State"]
    assert (stopped["ExitCode"], stopped["OOMKilled"]) == (137, False)


def test_not_a_program(ended):
    """A file that is executable by its mode but that the kernel cannot run fails, with the runtime's own status."""
    seen = ended(dockerfile="Dockerfile.words")

    assert seen["client"] != 0
    assert "exec format error" in seen["said"] or seen["client"] in (126, 127)
    assert "not found" not in seen["said"]


def test_all_codes(docker, build, ended, running, inspect, table, only_docker):
    """How a container ended can be read from its exit status, its state and OOMKilled."""
    only_docker("behind Podman's socket, Docker's client ends with exit status 1 and does not learn why")
    rows: list[dict] = []

    def add(what: str, state: dict) -> None:
        oom = {True: "true", False: "false"}.get(state["OOMKilled"], "none")
        cells = {"exit status": str(state["ExitCode"]), "reads as": meaning(state["ExitCode"])}
        cells |= {"state": state["Status"], "`OOMKilled`": oom}
        rows.extend({"row": what, "column": column, "cell": cell} for column, cell in cells.items())

    for status in ("0", "1", "42"):
        add(f"the program ends with {status}", ended("status", status, suffix=f"s{status}"))
    add("it is asked to stop, and has an answer", stop(docker, inspect, running("wait", suffix="w")))
    add("it is asked to stop, and has none", stop(docker, inspect, running("deaf", suffix="d")))
    init = running("deaf", options=["--init"], suffix="i")
    add("it is asked to stop, and has none, `--init`", stop(docker, inspect, init))
    add("`docker kill`", stop(docker, inspect, running("wait", suffix="k"), "kill"))
    add("it takes more memory than it may", ended("memory", options=["--memory=16m", "--memory-swap=16m"], suffix="m"))
    add("a segmentation fault", ended("signal", "SEGV", options=["--init"], suffix="segv"))
    unknown = docker("run", "--restrat", "always", build(), check=False).returncode
    add("a word that `docker run` does not know", {"ExitCode": unknown, "Status": "none", "OOMKilled": None})
    add("a file that is not executable", ended(options=["--entrypoint", "/etc/passwd"], suffix="n"))
    add("no such program", ended(options=["--entrypoint", "nosuch"], suffix="f"))
    add("a file that the kernel cannot run", ended(dockerfile="Dockerfile.words", suffix="words"))
    table("codes", "grid", rows)

    codes, states, oom = (
        [row["cell"] for row in rows if row["column"] == column] for column in ("exit status", "state", "`OOMKilled`")
    )
    assert codes[:-1] == ["0", "1", "42", "0", "137", "143", "137", "137", "139", "125", "126", "127"]
    assert codes[-1] != "0"
    assert states[:-1] == [*["exited"] * 9, "none", "created", "created"]
    assert oom[:-1] == [*["false"] * 7, "true", "false", "none", "false", "false"]


def meaning(code: int) -> str:
    """Return how an exit status is read by convention."""
    known = {0: "success", 125: "Docker itself", 126: "not executable", 127: "not found"}
    if code < 125 or code in known:
        return known.get(code, "the program's own number")
    signals = {each.value: each.name for each in signal.Signals}
    return f"128 + {code - 128}, {signals[code - 128]}" if code - 128 in signals else "the runtime's own number"


def stop(docker, inspect, container: str, action: str = "stop") -> dict:
    """Stop or kill a container, and return its state."""
    docker(action, container)
    until(lambda: inspect(container)["State"]["Status"] == "exited", f"the end of {container}")
    return inspect(container)["State"]


# Restarts.


@pytest.fixture(scope="module")
def outcomes(docker, build, prefix, engine):
    """What becomes of a container after each event under each policy, found in one run."""
    if engine.facts["name"] == "Podman":
        pytest.skip("Podman counts its restarts, and waits between them, in another way")
    image = build()

    def look(container: str) -> tuple[str, int]:
        found = docker("inspect", "--format", "{{.State.Status}} {{.RestartCount}}", container).stdout.split()
        return found[0], int(found[1])

    def settled(container: str) -> bool:
        """Say whether it has ended for good, or has been started again more often than any limit allows."""
        status, count = look(container)
        return status == "exited" or count > 3

    def one(case: tuple[int, str, str]) -> str:
        number, event, policy = case
        words, action = EVENTS[event]
        container = f"{prefix}-policy{number}"
        options = ["--restart", policy, "--stop-timeout=2", "--name", container]
        docker("run", "--detach", *options, image, *words)
        if action:
            until(lambda: docker("logs", container).stdout, "the program's start")
            docker(action, container)
        until(lambda: settled(container), f"{event} under {policy}")
        count = look(container)[1]
        docker("rm", "--force", container)
        return NEVER if count == 0 else FOREVER if count > 3 else f"started again {count} times"

    cases = [(number, *case) for number, case in enumerate((event, policy) for event in EVENTS for policy in POLICIES)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(one, cases))
    return {(event, policy): cell for (_, event, policy), cell in zip(cases, found, strict=True)}


def test_what_each_policy_does(outcomes, table):
    """The policy decides which end is followed by a new start; after docker stop and docker kill none is."""
    rows = [{"row": e, "column": f"`{p}`", "cell": outcomes[e, p]} for e in EVENTS for p in POLICIES]
    table("policies", "grid", rows)

    assert {outcomes[event, "no"] for event in EVENTS} == {NEVER}
    assert {outcomes[event, p] for event in ("`docker stop`", "`docker kill`") for p in POLICIES} == {NEVER}


def test_on_failure(outcomes):
    """With on-failure:3 a container that fails is started again three times; one that ends well is left alone."""
    assert outcomes["it ends with 1", "on-failure:3"] == "started again 3 times"
    assert outcomes["it ends with 0", "on-failure:3"] == NEVER


def test_always_means_after_success_too(outcomes):
    """With unless-stopped, and with always, a container is started again even when its program ended well."""
    ends = ("it ends with 0", "it ends with 1")

    assert {outcomes[end, policy] for end in ends for policy in ("unless-stopped", "always")} == {FOREVER}


def test_start_counts_anew(docker, running, inspect, only_docker):
    """When on-failure:3 has given up, docker start begins anew: the container is started again three more times."""
    only_docker("Podman counts its restarts, and waits between them, in another way")
    container = running("status", "1", options=["--restart", "on-failure:3"])

    def given_up() -> bool:
        found = inspect(container)
        return (found["State"]["Status"], found["RestartCount"]) == ("exited", 3)

    until(given_up, "the third restart")
    docker("start", container)
    until(lambda: docker("logs", container).stdout.count("started") == 8, "three more restarts")
    until(given_up, "the third restart again")

    assert docker("logs", container).stdout == "started\n" * 8


def test_stop_ends_a_loop(docker, running, inspect, only_docker):
    """A container that is started again and again stays ended after docker stop."""
    only_docker("Podman counts its restarts, and waits between them, in another way")
    container = running("status", "0", options=["--restart", "always"])
    until(lambda: inspect(container)["RestartCount"] > 1, "a restart")
    docker("stop", container)

    assert inspect(container)["State"]["Status"] == "exited"
    assert inspect(container)["State"]["Restarting"] is False


def test_what_never_ran_is_not_restarted(docker, build, name, inspect, only_docker):
    """A container whose program could not be started is not tried again, whatever its policy."""
    only_docker("behind Podman's socket, Docker's client ends with exit status 1 and does not learn why")
    for policy in POLICIES:
        container = name(policy.replace(":", "-"))
        options = ["--detach", "--restart", policy, "--name", container, "--entrypoint", "nosuch"]
        done = docker("run", *options, build(), check=False)
        after = inspect(container)

        assert done.returncode == 127
        assert (after["State"]["Status"], after["RestartCount"]) == ("created", 0)


def test_rm_excludes_restart(docker, build, name):
    """A container cannot have --rm together with the restart policy on-failure, unless-stopped, or always."""
    for policy in ("on-failure", "unless-stopped", "always"):
        done = docker("run", "--rm", "--restart", policy, "--name", name("c"), build(), check=False)

        assert done.returncode != 0
        assert "--rm" in done.stderr or "autoremove" in done.stderr.lower()


def test_delay_doubles(docker, build, name, inspect, repeat, table, measure, only_docker):
    """The engine waits 0.1, 0.2, 0.4, 0.8, 1.6, and 3.2 s before six restarts; a start adds less than two seconds."""
    only_docker("Podman counts its restarts, and waits between them, in another way")
    build()
    runs = repeat(lambda: gaps(docker, build, name("c"), inspect))
    labels = ("first restart", "second", "third", "fourth", "fifth", "sixth")
    table(
        "delays", "durations", *([{"label": x, "seconds": s} for x, s in zip(labels, run, strict=True)] for run in runs)
    )
    measure("first-delay", [run[0] for run in runs], "seconds", low=0.05, high=2)
    measure("fifth-delay", [run[4] for run in runs], "seconds", low=0.8, high=5)

    # The wait begins before the engine reports the end, so a little of it may be missing.
    waits = [0.1 * 2**number for number in range(6)]
    assert all(0.9 * wait <= seconds for run in runs for wait, seconds in zip(waits, run, strict=True))
    # Other programs on the machine can slow down a start, but not each time.
    assert all(min(seconds) < wait + 2 for wait, seconds in zip(waits, zip(*runs, strict=True), strict=True))


def gaps(docker, build, container: str, inspect) -> list[float]:
    """Return the seconds from each end of a container that is restarted to its next start, by the engine's events."""
    since = f"{time.time():.9f}"
    docker("run", "--detach", "--restart", "always", "--name", container, build(), "status", "1")
    until(lambda: inspect(container)["RestartCount"] > 6, "a seventh end")
    kept = ["--filter", f"container={container}", "--filter", "event=die", "--filter", "event=start"]
    said = docker("events", "--since", since, "--until", f"{time.time():.9f}", *kept, "--format", "{{json .}}").stdout
    events = [json.loads(line) for line in said.splitlines()]
    docker("rm", "--force", container)
    pairs = [(old, new) for old, new in itertools.pairwise(events) if new["Action"] == "start"]
    return [(new["timeNano"] - old["timeNano"]) / 1e9 for old, new in pairs][:6]


# One concern.


def test_both_in_one(docker, running, inspect):
    """Of two programs in one container only process 1 counts: the other one failed, and the container runs on."""
    container = running(dockerfile="Dockerfile.both", options=["--restart", "always"])
    until(lambda: docker("logs", container).stdout == "started\n" * 2, "the start of both")
    listed = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    until(lambda: "status" not in docker("exec", container, "sh", "-c", listed).stdout, "the worker's end")
    found = inspect(container)

    assert (found["State"]["Status"], found["RestartCount"]) == ("running", 0)


def test_one_each(docker, folder, prefix, inspect, only_docker):
    """In containers of their own, the worker that fails is started again by its policy, and the server runs on."""
    only_docker("Podman counts its restarts, and waits between them, in another way")
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stack"]
    docker(*compose, "up", "--detach", "--build", timeout=300)
    server, worker = f"{prefix}-stack-server-1", f"{prefix}-stack-worker-1"
    until(lambda: inspect(worker)["State"]["Status"] == "exited", "the worker given up")
    policies = [inspect(each)["HostConfig"]["RestartPolicy"] for each in (server, worker)]
    counts = [inspect(each)["RestartCount"] for each in (server, worker)]
    status = inspect(server)["State"]["Status"]
    docker(*compose, "down")

    assert policies[0]["Name"] == "unless-stopped"
    assert policies[1] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert counts == [0, 3]
    assert status == "running"
