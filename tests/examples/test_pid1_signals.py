"""Claims of the example pid1-signals."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from drydock.fixtures import until

SHELL = "shell form"
NO_ANSWER = "exec form, no answer to SIGTERM"
ANSWER = "exec form, an answer to SIGTERM"
INIT = "exec form, no answer, --init"
STOPSIGNAL = "exec form, no answer, STOPSIGNAL SIGINT"
SHELL_INIT = "shell form, --init"
SHELL_EXEC = "shell form with exec"
BASH = "shell form, bash"

#: Dockerfile and options of each variant.
VARIANTS = {
    SHELL: ("Dockerfile.shell", []),
    NO_ANSWER: ("Dockerfile.deaf", []),
    ANSWER: ("Dockerfile", []),
    INIT: ("Dockerfile.deaf", ["--init"]),
    STOPSIGNAL: ("Dockerfile.stopsignal", []),
    SHELL_INIT: ("Dockerfile.shell", ["--init"]),
    SHELL_EXEC: ("Dockerfile.shell-exec", []),
    BASH: ("Dockerfile.bash", []),
}
#: Those of which a page shows how long they took.
DRAWN = (SHELL, NO_ANSWER, ANSWER, INIT, STOPSIGNAL, SHELL_INIT)
#: What every variant is given to end by itself.
GRACE = 2.0
FAREWELL = "SIGTERM: saved, leaving\n"


@dataclass
class Life:
    """What was seen of one container.

    :ivar ready: seconds from docker start until the program was ready.
    :ivar processes: the command lines of its processes, the first one first.
    :ivar stop: seconds that docker stop took.
    """

    ready: float
    processes: list[str]
    signal: str
    stop: float = 0
    exit: int = -1
    log: str = ""


def logged(docker, container: str, text: str) -> None:
    """Wait until a container has printed `text`."""
    until(lambda: text in docker("logs", container).stdout, f"{text!r} in the log of {container}")


def processes(docker, container: str) -> list[str]:
    """Return the command lines of a container's processes, the first one first, without the one that asks."""
    script = 'for each in $(ls /proc | grep -x "[0-9]*" | sort -n); do xargs -0 -a /proc/$each/cmdline; done'
    lines = docker("exec", container, "sh", "-c", script, check=False).stdout.splitlines()
    return [line for line in lines if line and script[:8] not in line and not line.startswith("xargs")]


@pytest.fixture(scope="module")
def live(docker, build, prefix):
    """Start containers of some variants, stop them, and return what was seen of each."""

    def start(variant: str, container: str) -> Life:
        dockerfile, options = VARIANTS[variant]
        docker("create", "--name", container, f"--stop-timeout={GRACE:.0f}", *options, build(dockerfile))
        signal = docker("inspect", "--format", "{{.Config.StopSignal}}", container).stdout.strip() or "SIGTERM"
        begin = time.monotonic()
        docker("start", container)
        logged(docker, container, "ready\n")
        return Life(time.monotonic() - begin, processes(docker, container), signal)

    def stop(life: Life, container: str) -> None:
        begin = time.monotonic()
        docker("stop", container)
        life.stop = time.monotonic() - begin
        life.exit = json.loads(docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout)
        life.log = docker("logs", container).stdout

    def call(variants=tuple(VARIANTS)) -> dict[str, Life]:
        for dockerfile in {VARIANTS[variant][0] for variant in variants}:
            build(dockerfile)
        names = {variant: f"{prefix}-live{index}" for index, variant in enumerate(variants)}
        lives = {variant: start(variant, names[variant]) for variant in variants}
        # Two are waited for; meanwhile the others are stopped one by one, to be timed undisturbed.
        with ThreadPoolExecutor(max_workers=3) as pool:
            list(pool.map(stop, lives.values(), names.values()))
        docker("rm", *names.values())
        return lives

    return call


@pytest.fixture(scope="module")
def lives(live) -> dict[str, Life]:
    """What was seen of every variant in one run."""
    return live()


def run(docker, image: str, container: str, *options: str) -> None:
    """Start a container and wait until its program is ready."""
    docker("run", "--detach", "--name", container, *options, image)
    logged(docker, container, "ready\n")


def state(docker, container: str) -> tuple[str, int]:
    """Return whether a container runs, and its exit status."""
    found = json.loads(docker("inspect", "--format", "{{json .State}}", container).stdout)
    return found["Status"], found["ExitCode"]


# Who is process 1.


def test_exec_form_is_pid_1(lives):
    """In exec form process 1 is the program itself, and there is no other process."""
    assert lives[ANSWER].processes == ["python polite.py"]


def test_shell_form_puts_a_shell_first(lives):
    """In shell form process 1 is /bin/sh -c with the line, and the program is its child."""
    assert lives[SHELL].processes == ["/bin/sh -c python polite.py", "python polite.py"]


def test_exec_replaces_the_shell(lives):
    """A line that begins with exec makes the shell become the program: process 1 is the program, and hears SIGTERM."""
    assert lives[SHELL_EXEC].processes == ["python polite.py"]
    assert lives[SHELL_EXEC].log.endswith(FAREWELL)


def test_bash_replaces_itself(lives):
    """Where bash reads the line and it is a single command, bash becomes the program without being told."""
    assert lives[BASH].processes == ["python polite.py"]
    assert lives[BASH].log.endswith(FAREWELL)


def test_init_is_pid_1(lives):
    """With --init process 1 is a small init that comes with the engine, and the program is its child."""
    first, second = lives[INIT].processes

    assert "init" in first.split()[0]
    assert second == "python deaf.py"


def test_who_is_pid_1(lives, table):
    """The form of CMD, the shell and --init decide which program is process 1."""
    labels = {ANSWER: "exec form", SHELL_EXEC: "shell form with `exec`", INIT: "exec form, `--init`"}
    labels |= {SHELL: SHELL, BASH: BASH, SHELL_INIT: "shell form, `--init`"}
    rows = []
    for variant in (ANSWER, SHELL, SHELL_EXEC, BASH, INIT, SHELL_INIT):
        first, *others = [f"`{line}`" for line in lives[variant].processes]
        rows.append({"row": labels[variant], "column": "process 1", "cell": first})
        rows.append({"row": labels[variant], "column": "below it", "cell": ", ".join(others) or "nothing"})
    table("first", "grid", rows)

    assert len({row["cell"] for row in rows if row["column"] == "process 1"}) == 4


# Who hears the signal.


def test_shell_form_keeps_the_signal(lives):
    """Behind a shell the program hears nothing of docker stop, and is killed after the timeout: exit status 137."""
    assert lives[SHELL].log == "ready\n"
    assert lives[SHELL].stop >= GRACE
    assert lives[SHELL].exit == 137


def test_answer_in_exec_form(lives):
    """In exec form a program with an answer to SIGTERM gives it, and ends before the timeout with exit status 0."""
    assert lives[ANSWER].log == f"ready\n{FAREWELL}"
    assert lives[ANSWER].stop < GRACE
    assert lives[ANSWER].exit == 0


def test_exec_form_is_not_enough(lives):
    """In exec form, too, a program without an answer to SIGTERM ignores it as process 1: timeout, exit status 137."""
    assert lives[NO_ANSWER].processes == ["python deaf.py"]
    assert lives[NO_ANSWER].stop >= GRACE
    assert lives[NO_ANSWER].exit == 137


def test_sleep_is_deaf_too(docker, name):
    """The command sleep has no answer to SIGTERM either: as process 1 it goes on, under --init it ends with 143."""
    for each, options in (("bare", []), ("init", ["--init"])):
        image = ["debian:trixie-slim", "sleep", "60"]
        docker("run", "--detach", "--name", name(each), *options, *image)
        until(lambda each=each: "sleep 60" in processes(docker, name(each)), "sleep")
        docker("kill", "--signal=TERM", name(each))
    until(lambda: state(docker, name("init"))[0] == "exited", "the end of sleep under --init")

    assert state(docker, name("init")) == ("exited", 143)
    assert state(docker, name("bare"))[0] == "running"


def test_init_restores_the_default(lives):
    """Under --init the same program is not process 1: SIGTERM ends it before the timeout, with exit status 143."""
    assert lives[INIT].stop < GRACE
    assert lives[INIT].exit == 143


def test_init_does_not_mend_shell_form(lives):
    """Under --init shell form ends before the timeout, with exit status 143, but the program hears nothing of it."""
    assert lives[SHELL_INIT].stop < GRACE
    assert (lives[SHELL_INIT].exit, lives[SHELL_INIT].log) == (143, "ready\n")


def test_stopsignal(lives):
    """STOPSIGNAL SIGINT ends a Python program that has no answer to SIGTERM: Python has one to SIGINT."""
    assert lives[STOPSIGNAL].signal in ("SIGINT", "2")
    assert lives[STOPSIGNAL].stop < GRACE
    assert lives[STOPSIGNAL].exit == 130


def test_how_long_a_stop_takes(lives, live, repeat, table, measure):
    """docker stop waits out the timeout behind a shell or without an answer, and not with an answer or under --init."""
    first = [lives]
    runs = repeat(lambda: first.pop() if first else live(DRAWN))
    table("lives", "lifecycle", *([strip(name, seen[name]) for name in DRAWN] for seen in runs))
    measure("shell-stop", [seen[SHELL].stop for seen in runs], "seconds", low=GRACE)
    measure("deaf-stop", [seen[NO_ANSWER].stop for seen in runs], "seconds", low=GRACE)
    measure("polite-stop", [seen[ANSWER].stop for seen in runs], "seconds", high=GRACE)
    measure("init-stop", [seen[INIT].stop for seen in runs], "seconds", high=GRACE)


def strip(variant: str, life: Life) -> dict:
    """Return a row of a lifecycle."""
    return {"variant": variant, "ready": life.ready, "signal": life.signal, "stop": life.stop, "exit": life.exit}


# docker kill.


def test_kill_sends_any_signal(docker, build, name):
    """docker kill --signal=TERM sends just that: process 1 goes on without an answer, and exits with 0 with one."""
    run(docker, build("Dockerfile.deaf"), name("deaf"))
    docker("kill", "--signal=TERM", name("deaf"))
    run(docker, build(), name("polite"))
    docker("kill", "--signal=TERM", name("polite"))
    until(lambda: state(docker, name("polite"))[0] == "exited", "the end of polite.py")

    assert state(docker, name("deaf"))[0] == "running"
    assert state(docker, name("polite")) == ("exited", 0)


def test_kill_forces(docker, build, name):
    """Without --signal docker kill sends SIGKILL, which no program can answer: exit status 137."""
    run(docker, build(), name("polite"))
    docker("kill", name("polite"))
    until(lambda: state(docker, name("polite"))[0] == "exited", "the end of polite.py")

    assert state(docker, name("polite")) == ("exited", 137)
    assert FAREWELL not in docker("logs", name("polite")).stdout


def test_sigkill_from_inside(docker, build, name):
    """A SIGKILL from inside, even from root, does not kill process 1: it still answers SIGTERM, with exit status 0."""
    run(docker, build(), name("polite"))
    docker("exec", name("polite"), "sh", "-c", "kill -KILL 1")
    docker("exec", "--user", "0", name("polite"), "sh", "-c", "kill -KILL 1")
    docker("stop", name("polite"))

    assert state(docker, name("polite")) == ("exited", 0)
    assert docker("logs", name("polite")).stdout.endswith(FAREWELL)


# Orphans.


def zombies(docker, container: str) -> int:
    """Return how many processes of a container have ended and are still listed."""
    script = 'grep -l "^State:.Z" /proc/[0-9]*/status'
    return len(docker("exec", container, "sh", "-c", script, check=False).stdout.splitlines())


def test_zombies(docker, build, name, measure):
    """A process 1 that does not look after orphans leaves one that has ended as a zombie; an init leaves none."""
    for each, options in (("bare", []), ("init", ["--init"])):
        docker("run", "--detach", "--name", name(each), *options, build("Dockerfile.orphan"))
    for each in ("bare", "init"):
        logged(docker, name(each), "the orphan ends")
    until(lambda: zombies(docker, name("bare")) > 0, "a zombie")
    until(lambda: zombies(docker, name("init")) == 0, "no zombie under --init")

    measure("zombies", zombies(docker, name("bare")), "count", low=1, high=1)
    measure("zombies-init", zombies(docker, name("init")), "count", high=0)


# Compose.


def test_compose_init_and_grace(docker, folder, prefix):
    """In Compose init: true does what --init does, and stop_grace_period sets the timeout."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stack"]
    docker(*compose, "up", "--detach", "--build", timeout=300)
    until(lambda: docker(*compose, "logs").stdout.count("ready\n") == 2, "both services ready")
    form = "{{.Config.StopTimeout}} {{.HostConfig.Init}}"
    polite, deaf = (docker("inspect", "--format", form, f"{prefix}-stack-{each}-1") for each in ("polite", "deaf"))
    docker(*compose, "stop")
    ended = [state(docker, f"{prefix}-stack-{each}-1") for each in ("polite", "deaf")]
    docker(*compose, "down")

    assert polite.stdout.startswith("2 ")
    assert deaf.stdout == "2 true\n"
    assert ended == [("exited", 0), ("exited", 143)]
