"""The harness on a real engine: what it reports, what it refuses, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from drydock import ROOT, engine as engines, evidence, example as examples, inventory, private, proofs, record, testing
from drydock.engine import Engine
from drydock.example import Example
from drydock.inventory import Thing

IMAGE = "busybox:1.37"


@pytest.fixture(name="slug")
def _slug(engine):
    slug = f"harness{inventory.new_run()}"
    yield slug
    inventory.remove(engine, [thing for thing in inventory.things(engine) if thing.name.startswith(slug)])


@pytest.fixture(name="job")
def _job(engine, tmp_path, slug):
    def job(text, number=0, **more):
        root = tmp_path / "examples" / slug
        (root / "transcripts").mkdir(parents=True, exist_ok=True)
        (root / "transcripts" / "t.console").write_text(text.replace("SLUG", slug))
        return record.Job(engine, Example(root), "t", tmp_path / f"copy{number}", tmp_path / "locks", **more)

    return job


def _left(engine, slug):
    return [thing for thing in inventory.things(engine) if thing.name.startswith(slug)]


START = f"$ docker run -d --name SLUG-web {IMAGE} sh -c 'echo log line; sleep 60'\n<id>\n"
CLEAN = "$ docker rm -f SLUG-web\nSLUG-web\n"


def test_a_transcript_that_holds_passes(job, engine, slug):
    """A transcript whose steps print what they should passes, and leaves nothing."""
    outcomes = record.run(job(START + CLEAN))

    assert [outcome.passed for outcome in outcomes] == [True, True]
    assert _left(engine, slug) == []


def test_a_failure_is_reported_with_its_place_and_cleaned_up(job, engine, slug):
    """A failing step is reported with file, line, difference, engine, containers and their logs; nothing stays."""
    with pytest.raises(record.ReplayError) as caught:
        record.run(job(START + "#% retry 5s\n$ docker logs SLUG-web\nanother line\n"))
    report = str(caught.value).splitlines()

    assert report[0].startswith(f"examples/{slug}/transcripts/t.console:4: the output differs (after ")
    assert {"  - another line", "  + log line", f"engine: {engine}", "  | log line"} <= set(report)
    assert _left(engine, slug) == []


def test_keep_leaves_a_failure_alive(job, engine, slug):
    """With --keep, what a failing step left stays, and the report says how to enter it."""
    with pytest.raises(record.ReplayError, match="kept alive; enter it with"):
        record.run(job(START + "$ false\n", keep=True))

    assert [thing.name for thing in _left(engine, slug)] == [f"{slug}-web"]


@pytest.mark.parametrize("make", ["run -d --name SLUG-web " + IMAGE + " sleep 60", "volume create SLUG-data"])
def test_what_a_transcript_leaves_behind_fails_it(job, engine, slug, make):
    """A transcript whose reader would be left with a container or volume fails by its name, and it is removed."""
    with pytest.raises(record.ReplayError, match=f"it leaves behind (container|volume) {slug}-"):
        record.run(job(f"$ docker {make}\n...\n"))

    assert _left(engine, slug) == []


def test_what_was_there_before_is_left_alone(job, engine, slug):
    """A name that the engine has already is not taken over: the run refuses, and loses nothing."""
    engine.run("volume", "create", f"{slug}-data")

    with pytest.raises(record.ReplayError, match=f"leaves them alone; remove or rename them:\n  volume {slug}-data"):
        record.run(job("$ true\n"))
    assert [thing.name for thing in _left(engine, slug)] == [f"{slug}-data"]


def test_recording_rewrites_outputs_only(job):
    """Recording writes what was printed, keeps what still holds, and leaves a matching transcript as it was."""
    made = job("#% name a\n$ echo 1 2; echo 3\n1 [..]\nold\n$ echo x\n...\n", rewrite=True)
    place = made.example.root / "transcripts/t.console"
    record.run(made)

    assert place.read_text() == "#% name a\n$ echo 1 2; echo 3\n1 [..]\n3\n$ echo x\n...\n"


def test_recording_a_failing_step_changes_nothing_unless_asked(job):
    """A step whose exit status changed is not recorded by accident."""
    text = "$ echo new; exit_with() { return 3; }; exit_with\nold\n"
    made = job(text, rewrite=True)
    place = made.example.root / "transcripts/t.console"
    with pytest.raises(record.ReplayError, match="exit 0 expected, exit 3 observed"):
        record.run(made)

    assert place.read_text() == text
    record.run(job(text, 1, rewrite=True, accept=True))
    assert place.read_text().endswith("\nnew\n[exit 3]\n")


def test_an_image_of_a_rebuild_is_removed_with_the_rest(job, engine, slug):
    """An image that lost its tag to a rebuild is removed too."""
    text = (
        f"$ printf 'FROM {IMAGE}\\nLABEL n=1\\n' | docker build -q -t SLUG -\n<digest>\n"
        f"$ printf 'FROM {IMAGE}\\nLABEL n=2 of={slug}\\n' | docker build -q -t SLUG -\n<digest>\n"
    )
    built = [outcome.observed.output[-1] for outcome in record.run(job(text))]

    assert len(set(built)) == 2
    assert [engine.run("image", "inspect", image, check=False).returncode for image in built] == [1, 1]


#: A shell's background job ignores Ctrl-C, and so does all that it starts; what these tests start shall hear it.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
RUN = f"""
{HEARS}
import sys
from pathlib import Path
from drydock import engine, record
from drydock.example import Example
root, scratch, locks = map(Path, sys.argv[1:])
record.run(record.Job(engine.current(), Example(root), "t", scratch, locks))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_ended_leaves_nothing_after_the_next(job, engine, slug, tmp_path, number):
    """After Ctrl-C nothing is left; after SIGKILL the next run removes what was."""
    made = job(START + f"$ touch {tmp_path}/started; sleep 60\n")
    arguments = [str(made.example.root), str(made.scratch), str(made.locks)]
    running = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _until(lambda: (tmp_path / "started").exists(), running)
    running.send_signal(number)
    running.wait(timeout=15)

    assert (len(_left(engine, slug)) == 1) == (number == signal.SIGKILL)
    record.run(job("$ true\n", 1))
    assert _left(engine, slug) == []


def _until(condition, running):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the run did not start"
        assert running.poll() is None, "the run ended early"
        time.sleep(0.05)


def test_only_what_dead_runs_left_is_swept(engine, tmp_path, slug):
    """What belongs to a run that lives is not touched; what belongs to a dead one is removed."""
    dead, alive = inventory.new_run(), inventory.new_run()
    for run in (dead, alive):
        engine.run("volume", "create", f"{slug}-t{run}-data")
    (tmp_path / f"{dead}.run").touch()
    with inventory.held(tmp_path / f"{alive}.run"):
        swept = inventory.sweep(engine, tmp_path)

    assert [thing.run for thing in swept] == [dead]
    assert [thing.run for thing in _left(engine, slug)] == [alive]
    assert inventory.sweep(engine, tmp_path) == [Thing("volume", f"{slug}-t{alive}-data", f"{slug}-t{alive}-data")]


def test_another_run_that_lives_is_seen(tmp_path):
    """A run knows whether another one lives on its engine; one that died, or itself, is no other."""
    own = tmp_path / f"{inventory.new_run()}.run"
    (tmp_path / f"{inventory.new_run()}.run").touch()
    with inventory.held(own):
        assert not inventory.others(own)
        with inventory.held(tmp_path / f"{inventory.new_run()}.run"):
            assert inventory.others(own)


#: A claim whose container lives for seconds, and whose test asks for it all the time.
LONG = ("--example=restart-and-exit-codes", "-k", "start_counts_anew")


def _pytest(*arguments, **env):
    script = f"{HEARS}; import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "--on-engine", "-p", "no:cacheprovider", *arguments]
    known = {name: value for name, value in os.environ.items() if name != "DRYDOCK_RUN"}
    return subprocess.Popen(
        command, cwd=ROOT, env={**known, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_whole_run_that_was_ended_leaves_nothing_after_the_next(engine, number, tmp_path):
    """Ctrl-C in the middle of the suite, or SIGKILL and the next run: no container, network or volume of it stays."""
    run = inventory.new_run()
    running = _pytest(*LONG, DRYDOCK_RUN=run)
    _until_seen(engine, run, running)
    running.send_signal(number)
    running.communicate(timeout=60)
    if number == signal.SIGKILL:
        after = _pytest("--example=hello-container", "-k", "client_and_server")
        said = after.communicate(timeout=60)[0]
        assert f"-t{run}" in said

    assert [thing for thing in inventory.things(engine) if thing.run == run] == []


class Door:
    """A socket before the engine's: whoever comes through it meets the engine, until it is shut for all."""

    def __init__(self, path, behind):
        self.behind = behind
        self.open = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        threading.Thread(target=self._let_in, daemon=True).start()

    def _let_in(self):
        with contextlib.suppress(OSError):
            while True:
                outer, _ = self.listener.accept()
                inner = socket.socket(socket.AF_UNIX)
                inner.connect(self.behind)
                self.open += [outer, inner]
                for source, target in ((outer, inner), (inner, outer)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def shut(self):
        """Shut it, and cut off all who came through."""
        for each in (self.listener, *self.open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def test_a_run_whose_engine_dies_ends_soon_and_says_so(engine, tmp_path):
    """An engine that is gone in the middle of a run ends it: within a minute, by its name, with an exit status."""
    run = inventory.new_run()
    door = Door(tmp_path / "engine.sock", engine.client["DOCKER_HOST"].removeprefix("unix://"))
    running = _pytest(*LONG, DOCKER_HOST=f"unix://{tmp_path}/engine.sock", DRYDOCK_RUN=run)
    _until_seen(engine, run, running)
    door.shut()
    said = running.communicate(timeout=60)[0]
    inventory.sweep(engine, testing.locks(engine))

    assert running.returncode not in (0, pytest.ExitCode.NO_TESTS_COLLECTED), said
    assert f"the engine is gone: {engine.facts['name']} {engine.facts['version']}" in said
    assert "Traceback" not in said
    assert [thing for thing in inventory.things(engine) if thing.run == run] == []


def _until_seen(engine, run, running):
    """Wait until the run has made a container."""
    deadline = time.monotonic() + 60
    while not [thing for thing in inventory.things(engine) if thing.run == run and thing.kind == "container"]:
        assert time.monotonic() < deadline
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.02)


def test_fewer_claims_than_the_floor_fail_the_run(tmp_path):
    """A suite that collects less than it did fails and says what went missing, though every test passed."""
    from drydock import tally

    floor = json.loads(tally.FLOOR.read_text())
    found = {"claims": floor["claims"] - 1, "transcripts": floor["transcripts"]}

    assert tally.below_floor(found) == [
        f"only {floor['claims'] - 1} claims collected; the floor in evidence/floor.json is {floor['claims']}"
    ]


def test_what_is_proven_is_named_and_not_run(tmp_path, monkeypatch):
    """A run for what is unproven names what is proven, runs the rest, and is held to the floor by both together."""
    real = private.cache()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    private.cache().mkdir()
    (private.cache() / "locks").symlink_to(real / "locks")  # what other runs hold stays theirs
    met = engines.find()  # as the run below meets it
    assert isinstance(met, Engine)
    runs = {slug: evidence.load(slug).run for slug in examples.load() if slug != "hello-container"}
    counts = {slug: (len(run.claims), len(run.transcripts)) for slug, run in runs.items() if run}
    proofs.keep(met, {**counts, "bases": (0, 0), "harness": (0, 0)}, [])
    said = (running := _pytest("--unproven", "-n", "0", XDG_CACHE_HOME=str(tmp_path))).communicate(timeout=300)[0]

    assert running.returncode == 0, said
    assert [unit for unit in counts if f"drydock: {unit}: proven " not in said] == [], said
    assert "hello-container: proven" not in said
    assert list(proofs.standing(met, ["hello-container"])) == ["hello-container"]


def test_a_part_is_no_evidence():
    """Recording some tests of an example leaves its evidence as it was, and says so."""
    before = (ROOT / "evidence/hello-container.json").read_bytes()
    said = _pytest("--record", "--example=hello-container", "-k", "client_and_server").communicate(timeout=60)[0]

    assert "no evidence written: only some tests of an example were asked for" in said
    assert (ROOT / "evidence/hello-container.json").read_bytes() == before


def test_the_engine_is_named_in_every_run(engine):
    """A run says on which engine and base images it runs."""
    said = _pytest("--example=hello-container", "-k", "client_and_server").communicate(timeout=60)[0]

    assert f"engine: {engine}" in said


def test_the_private_engines_socket_is_its_owners(engine):
    """Nobody but its owner reaches a private engine, and its mirror listens on loopback only."""
    if not engine.private:
        assert not engine.mirror
        return
    home = Path(engine.client["DOCKER_HOST"].removeprefix("unix://")).parent

    assert home.stat().st_mode & 0o077 == 0
    assert engine.mirror.startswith("127.0.0.1:")
