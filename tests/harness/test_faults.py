"""What real machines do to a run: whatever it was in the middle of, it ends soon, says why, and nothing of it stays."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import runs

from drydock import ROOT, host
from drydock.replay import replay

#: Seconds that a run may take to end after its engine is gone, or after it was told to.
SOON = 20
#: What a transcript can be in the middle of. STARTED is a file that says that it is.
BUILD = f"""\
$ printf 'FROM {runs.IMAGE}\\nLABEL of=SLUG\\nRUN echo so far; sleep 50\\n' |
>   docker build --no-cache --progress plain -t SLUG - > STARTED 2>&1
...
"""
STEP = f"$ docker run --name SLUG-web {runs.IMAGE} sh -c 'echo so far; sleep 50' > STARTED\n...\n"
COMPOSE = f"""\
$ cat > compose.yaml <<'EOF'
> name: SLUG
> services:
>   first:
>     image: {runs.IMAGE}
>     command: [sleep, "50"]
>     healthcheck: {{test: ["CMD", "false"], interval: 50s, start_period: 50s}}
>   second:
>     image: {runs.IMAGE}
>     depends_on: {{first: {{condition: service_healthy}}}}
> EOF
$ (until docker ps --format '{{{{.Names}}}}' | grep -x SLUG-first-1; do sleep 0.1; done && echo so far > STARTED) &
$ docker compose up
...
"""
MIDDLES = [pytest.param(BUILD, id="build"), pytest.param(STEP, id="step"), pytest.param(COMPOSE, id="compose")]
#: A command that ends with no container, and by no engine.
ALONE = pytest.param("$ echo so far > STARTED; sleep 50\n", id="alone")


@pytest.fixture(name="started")
def _started(tmp_path):
    """Return what says whether a transcript is in the middle of its work."""
    place = tmp_path / "started"
    return lambda: place.exists() and "so far\n" in place.read_text()


@pytest.fixture(name="middle")
def _middle(job, tmp_path):
    return lambda text: job(text.replace("STARTED", str(tmp_path / "started")))


def _processes(scratch: Path) -> list[str]:
    """Return the processes that work in the copy of an example."""
    inside = [place for place in Path("/proc").glob("[0-9]*") if _folder(place).startswith(str(scratch))]
    return [place.joinpath("cmdline").read_text().replace("\0", " ") for place in inside]


def _folder(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""


@pytest.mark.parametrize("text", [*MIDDLES, ALONE])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_replay_that_is_ended(job, middle, engine, slug, started, tmp_path, text, number):
    """Ctrl-C leaves nothing; after SIGKILL no process stays, and the next run removes what is on the engine."""
    made = middle(text)
    running = runs.replay(made)
    runs.until(started, running)
    running.send_signal(number)
    running.communicate(timeout=SOON)

    assert running.returncode != 0
    if number == signal.SIGKILL:
        replay.run_job(job("$ true\n", 1))
    assert _processes(made.scratch) == []
    assert runs.made(engine, slug) == []


@pytest.mark.parametrize("text", MIDDLES)
def test_an_engine_that_dies(job, middle, engine, slug, started, tmp_path, text):
    """A run whose engine is gone ends with the step that it was at, and the next run removes what it left."""
    made = middle(text)
    door = runs.Door(tmp_path / "engine.sock", engine)
    running = runs.replay(made, **door.env)
    runs.until(started, running)
    door.shut()
    said = running.communicate(timeout=SOON)[0]

    assert running.returncode != 0
    assert f"examples/{slug}/transcripts/t.console:" in said
    assert "Traceback" not in said, said
    replay.run_job(job("$ true\n", 1))
    assert _processes(made.scratch) == []
    assert runs.made(engine, slug) == []


def test_a_container_that_ignores_the_signal(job, engine, slug):
    """A container that does not hear SIGTERM is removed all the same, and soon."""
    text = f"$ docker run -d --name SLUG-deaf {runs.IMAGE} sh -c \"trap '' TERM; sleep 50 & wait\"\n<id>\n$ false\n"
    running = runs.replay(job(text))
    said = running.communicate(timeout=SOON)[0]

    assert ":3: exit 0 expected, exit 1 observed" in said
    assert runs.made(engine, slug) == []


def test_a_base_image_that_is_not_to_be_had(job, engine, slug):
    """Of a base image that is not to be had, the report names the file, the line, and the image."""
    text = "$ echo 'FROM drydock.invalid/none:1' | docker build -q -t SLUG -\n<digest>\n"
    said = runs.replay(job(text)).communicate(timeout=60)[0]

    assert f"examples/{slug}/transcripts/t.console:1: exit 0 expected, exit 1 observed" in said
    assert "drydock.invalid/none:1" in said


def test_a_disk_that_is_full(job, engine, slug):
    """A step that finds no space left says so in the report, and the space is given back."""
    text = (
        "$ docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m SLUG-small\nSLUG-small\n"
        f"$ docker run --rm -v SLUG-small:/data {runs.IMAGE} dd if=/dev/zero of=/data/big bs=1M count=2\n...\n"
    )
    said = runs.replay(job(text)).communicate(timeout=SOON)[0]

    assert ":3: exit 0 expected, exit 1 observed" in said
    assert "No space left on device" in said
    assert runs.made(engine, slug) == []


#: Quick tests of an example, with an image and a Compose project.
QUICK = ("--example=hello-container", "-k", "client_and_server or compose")


def test_two_runs_at_once(engine):
    """Two runs side by side on one engine take nothing from each other, and leave nothing."""
    names = [host.new_run_id() for _ in range(2)]
    both = [runs.pytest(*QUICK, DRYDOCK_RUN=name) for name in names]
    said = [running.communicate(timeout=300)[0] for running in both]

    assert [running.returncode for running in both] == [0, 0], "\n".join(said)
    assert [thing for name in names for thing in runs.made_by(engine, name)] == []


@pytest.fixture(name="checkout", params=["with a space", "Größe-ü", "others"])
def _checkout(request, tmp_path):
    """Copy the repository to a place that is not like the developer's own."""
    top = tmp_path / request.param
    for name in ("conftest.py", "pyproject.toml", "drydock", "tests", "examples", "evidence", "base-images"):
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, top / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            top.mkdir(exist_ok=True)
            shutil.copy(place, top / name)
    if request.param == "others" and os.getuid() == 0:
        for place in (top, *top.rglob("*")):
            os.chown(place, 12345, 12345)
    return top


def test_an_unusual_checkout(checkout, engine):
    """A path with spaces or other letters, and files that belong to another user, make no difference."""
    running = runs.pytest(*QUICK, top=checkout)
    said = running.communicate(timeout=300)[0]

    assert running.returncode == 0, said


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a folder read-only")
def test_a_read_only_checkout(tmp_path):
    """A checkout that cannot be written to passes its tests; it is recording that fails, and says where."""
    script = f"""
    mount --bind {ROOT} {ROOT} && mount -o remount,ro,bind {ROOT} && cd {ROOT} && exec "$@"
    """
    python = [sys.executable, "-B", "-m", "pytest", "--on-engine", "--no-history", "-p", "no:cacheprovider", *QUICK]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *python],
        env=runs.apart(),
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_port_that_was_taken(job, engine, slug):
    """A port that another program took is told of by the step that wanted it, and what the engine made of it goes."""
    with socket.create_server(("127.0.0.1", 0)) as another:
        port = another.getsockname()[1]
        text = f"$ docker run -d --name SLUG-web -p 127.0.0.1:{port}:80 {runs.IMAGE} sleep 60\n<id>\n"
        said = runs.replay(job(text)).communicate(timeout=60)[0]

    assert f"examples/{slug}/transcripts/t.console:1: exit 0 expected, exit 125 observed" in said
    assert re.search(r"address already in use|port is already allocated", said), said
    assert runs.made(engine, slug) == []


#: Has the clock jump by a day, there and back, each time that it is looked at.
JUMPING = """
import itertools, time
really, jump = time.time, itertools.cycle((86400, -86400))
time.time = lambda: really() + next(jump)
"""


def test_a_clock_that_jumps(engine, tmp_path):
    """Claims and transcripts pass while the clock jumps: no limit is taken from it."""
    (tmp_path / "jumping.py").write_text(JUMPING)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    chosen = ("--example=hello-container", "-k", "client_and_server or compose or first-run")
    running = runs.pytest("-p", "jumping", *chosen, PYTHONPATH=path)
    said = running.communicate(timeout=300)[0]

    assert running.returncode == 0, said


@pytest.fixture(name="beside")
def _beside(engine):
    """Return what starts a second private engine: some things cannot be done to one that others use."""
    if not engine.private or engine.facts["name"] == "Podman":
        pytest.skip("a second engine is started from the programs of a private Docker Engine")
    with contextlib.ExitStack() as stack:
        yield lambda **wanted: stack.enter_context(runs.second(engine, **wanted))


def test_a_mirror_that_is_down(beside):
    """Where no base image can be pulled, the run ends with one message that names the image and the way out."""
    running = runs.pytest("--example=hello-container", **beside(mirror="127.0.0.1:9").env)
    said = running.communicate(timeout=300)[0]

    assert running.returncode == 1, said
    assert "! the engine can't pull debian:trixie-slim, base image of hello-container: " in said
    assert "Run 'docker pull debian:trixie-slim' until it works, and start again" in said
    assert said.count(" FAILED") + said.count(" ERROR") <= 1, said
    assert "left behind" not in said


def test_a_mirror_that_says_nothing(beside, job, slug):
    """A mirror that takes the call and never answers: the step ends with its limit, by its place."""
    alone = beside(mirror="127.0.0.1:5000")
    listening = "import socket, time; at = socket.create_server(('127.0.0.1', 5000)); time.sleep(600)"
    inside = ["nsenter", f"--net=/proc/{alone.pid}/ns/net", sys.executable, "-c", listening]
    silent = subprocess.Popen(inside, stdin=subprocess.DEVNULL)
    try:
        text = f"#% limit 15s\n$ echo 'FROM {runs.IMAGE}' | docker build -t SLUG -\n...\n"
        said = runs.replay(job(text), **alone.env).communicate(timeout=15 + SOON)[0]
    finally:
        silent.kill()
        silent.wait()

    assert f"examples/{slug}/transcripts/t.console:2: it did not end within 15 s and was ended" in said, said
    assert runs.IMAGE in said


@contextlib.contextmanager
def _full(folder: Path):
    """Fill the disk of the folder to its last block."""
    place = folder / "filler"
    with place.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(65536))
    yield
    place.unlink()


def test_an_engine_whose_disk_is_full(beside, job, engine, slug):
    """Where the engine has no room left, the step says so by its place; when there is room again, all is well."""
    alone = beside(megabytes=128)
    alone.give(runs.IMAGE, engine)
    text = runs.START + runs.CLEAN
    with _full(alone.data):
        said = runs.replay(job(text), **alone.env).communicate(timeout=60)[0]
    after = runs.replay(job(text, 1), **alone.env)
    said_after = after.communicate(timeout=60)[0]

    assert f"examples/{slug}/transcripts/t.console:1: exit 0 expected, exit 125 observed" in said
    assert "no space left on device" in said
    assert after.returncode == 0, said_after
    assert runs.made(alone.engine, slug) == []


def test_a_run_on_an_engine_whose_disk_is_full(beside, engine):
    """A run on an engine that has no room left ends at its first failure, with the way out."""
    alone = beside(megabytes=384)
    alone.give("debian:trixie-slim", engine)
    with _full(alone.data):
        running = runs.pytest("--example=hello-container", **alone.env)
        said = running.communicate(timeout=300)[0]

    assert running.returncode == 1, said
    assert "! the engine's disk is full; make room with 'docker system prune'" in said
    assert "1 failed" in said or "1 error" in said, said
