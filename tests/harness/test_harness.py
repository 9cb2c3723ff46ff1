"""The harness on a real engine: what it reports, what it refuses, and that nothing is left behind."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path

import pytest
import runs

from drydock import ROOT, fixtures, host
from drydock.engine import choose, resources
from drydock.engine.client import Engine
from drydock.engine.resources import Resource
from drydock.errors import ReplayError
from drydock.model import evidence, example as examples
from drydock.replay import replay, reservations
from drydock.testing import passed
from drydock.testing.results import Result


def test_a_transcript_that_holds_passes(job, engine, slug):
    """A transcript whose steps print what they should passes, and leaves nothing."""
    outcomes = replay.run_job(job(runs.START + runs.CLEAN))

    assert [outcome.passed for outcome in outcomes] == [True, True]
    assert runs.made(engine, slug) == []


def test_a_failure_is_reported_with_its_place_and_cleaned_up(job, engine, slug):
    """A failing step is reported with file, line, difference, engine, containers and their logs; nothing stays."""
    with pytest.raises(ReplayError) as caught:
        replay.run_job(job(runs.START + "#% retry 5s\n$ docker logs SLUG-web\nanother line\n"))
    report = str(caught.value).splitlines()

    assert report[0].startswith(f"examples/{slug}/transcripts/t.console:4: the output differs (after ")
    assert {"  - another line", "  + log line", f"engine: {engine}", "  | log line"} <= set(report)
    assert runs.made(engine, slug) == []


def test_keep_leaves_a_failure_alive(job, engine, slug):
    """With --keep, what a failing step left stays, and the report says how to enter it."""
    with pytest.raises(ReplayError, match="kept alive; enter it with"):
        replay.run_job(job(runs.START + "$ false\n", keep=True))

    assert [thing.name for thing in runs.made(engine, slug)] == [f"{slug}-web"]


@pytest.mark.parametrize("make", ["run -d --name SLUG-web " + runs.IMAGE + " sleep 60", "volume create SLUG-data"])
def test_what_a_transcript_leaves_behind_fails_it(job, engine, slug, make):
    """A transcript whose reader would be left with a container or volume fails by its name, and it is removed."""
    with pytest.raises(ReplayError, match=f"the transcript leaves (container|volume) {slug}-"):
        replay.run_job(job(f"$ docker {make}\n...\n"))

    assert runs.made(engine, slug) == []


def test_what_was_there_before_is_left_alone(job, engine, slug):
    """A name that the engine has already is not taken over: the run loses nothing, and says what removes it."""
    engine.run("volume", "create", f"{slug}-data")

    with pytest.raises(ReplayError, match=f"  volume {slug}-data\n.*leaves them alone") as caught:
        replay.run_job(job("$ true\n"))
    assert [thing.name for thing in runs.made(engine, slug)] == [f"{slug}-data"]
    engine.run(*str(caught.value).splitlines()[-1].split()[1:])
    assert runs.made(engine, slug) == []


def test_what_a_reader_made_stops_the_run_before_it_begins(engine, slug):
    """Whoever followed pages on an engine of his own is told at once of all that is in the way, and how it goes."""
    engine.run("tag", runs.IMAGE, f"{slug}:1")
    engine.run("network", "create", f"{slug}_default")
    engine.run("run", "-d", f"{slug}:1", "sleep", "60")

    with pytest.raises(ReplayError) as caught:
        reservations.free_names(dataclasses.replace(engine, private=False), resources.locks_folder(engine), [slug])
    assert len(runs.made(engine, slug)) == 3
    commands = [line.split() for line in str(caught.value).splitlines() if line.startswith("  docker ")]
    for command in commands:
        engine.run(*command[1:])
    assert runs.made(engine, slug) == []
    reservations.free_names(dataclasses.replace(engine, private=False), resources.locks_folder(engine), [slug])


def test_images_of_a_reader_go_from_the_private_engine_alone(engine, slug, capsys):
    """On the private engine a reader's images make room, which is said; a volume of his stays, and ends the run."""
    engine = dataclasses.replace(engine, private=True)  # nothing here has a name that anybody else uses
    engine.run("tag", runs.IMAGE, f"{slug}-web:1")
    engine.run("volume", "create", f"{slug}-data")
    with pytest.raises(ReplayError, match=f"  volume {slug}-data\n"):
        reservations.free_names(engine, resources.locks_folder(engine), [slug])
    engine.run("volume", "rm", f"{slug}-data")
    reservations.free_names(engine, resources.locks_folder(engine), [slug])

    assert capsys.readouterr().out.endswith(f"transcripts build these images: {slug}-web:1\n")
    assert runs.made(engine, slug) == []


def test_a_run_beside_it_is_not_in_the_way(engine, slug):
    """What a transcript of another run uses at the moment, or was killed over, is no reader's."""
    engine.run("tag", runs.IMAGE, f"{slug}:1")
    place = resources.locks_folder(engine) / f"{slug}.names"
    try:
        with host.file_lock(place):
            assert reservations.find_conflicts(engine, place.parent, [slug]) == []
            place.write_text("a transcript runs")
        assert reservations.find_conflicts(engine, place.parent, [slug]) == []
        place.write_text("")
        assert [thing.name for thing in reservations.find_conflicts(engine, place.parent, [slug])] == [f"{slug}:1"]
    finally:
        place.unlink()


def test_recording_rewrites_outputs_only(job):
    """Recording writes what was printed, keeps what still holds, and leaves a matching transcript as it was."""
    made = job("#% name a\n$ echo 1 2; echo 3\n1 [..]\nold\n$ echo x\n...\n", rewrite=True)
    place = made.example.root / "transcripts/t.console"
    replay.run_job(made)

    assert place.read_text() == "#% name a\n$ echo 1 2; echo 3\n1 [..]\n3\n$ echo x\n...\n"


def test_recording_a_failing_step_changes_nothing_unless_asked(job):
    """A step whose exit status changed is not recorded by accident."""
    text = "$ echo new; exit_with() { return 3; }; exit_with\nold\n"
    made = job(text, rewrite=True)
    place = made.example.root / "transcripts/t.console"
    with pytest.raises(ReplayError, match="exit 0 expected, exit 3 observed"):
        replay.run_job(made)

    assert place.read_text() == text
    replay.run_job(job(text, 1, rewrite=True, accept=True))
    assert place.read_text().endswith("\nnew\n[exit 3]\n")


def test_an_image_of_a_rebuild_is_removed_with_the_rest(job, engine, slug):
    """An image that lost its tag to a rebuild is removed too."""
    text = (
        f"$ printf 'FROM {runs.IMAGE}\\nLABEL n=1\\n' | docker build -q -t SLUG -\n<digest>\n"
        f"$ printf 'FROM {runs.IMAGE}\\nLABEL n=2 of={slug}\\n' | docker build -q -t SLUG -\n<digest>\n"
    )
    built = [outcome.observed.output[-1] for outcome in replay.run_job(job(text))]

    assert len(set(built)) == 2
    assert [engine.run("image", "inspect", image, check=False).returncode for image in built] == [1, 1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_ended_leaves_nothing_after_the_next(job, engine, slug, tmp_path, number):
    """After Ctrl-C nothing is left; after SIGKILL the next run removes what was."""
    made = job(runs.START + f"$ touch {tmp_path}/started; sleep 60\n")
    running = runs.replay(made)
    runs.until((tmp_path / "started").exists, running)
    running.send_signal(number)
    running.communicate(timeout=15)

    assert (len(runs.made(engine, slug)) == 1) == (number == signal.SIGKILL)
    replay.run_job(job("$ true\n", 1))
    assert runs.made(engine, slug) == []


def test_only_what_dead_runs_left_is_swept(engine, tmp_path, slug):
    """What belongs to a run that lives is not touched; what belongs to a dead one is removed."""
    dead, alive = host.new_run_id(), host.new_run_id()
    for run in (dead, alive):
        engine.run("volume", "create", f"{slug}-t{run}-data")
    (tmp_path / f"{dead}.run").touch()
    with host.file_lock(tmp_path / f"{alive}.run"):
        swept = resources.remove_leftovers(engine, tmp_path)

    assert [thing.run for thing in swept] == [dead]
    assert [thing.run for thing in runs.made(engine, slug)] == [alive]
    assert resources.remove_leftovers(engine, tmp_path) == [
        Resource("volume", f"{slug}-t{alive}-data", f"{slug}-t{alive}-data")
    ]


def test_an_image_that_lost_its_tag_is_pruned(engine, slug):
    """Of an image that lost its tag and the one that took it, only the first goes; Podman's build cache keeps both."""
    tag, ids = f"{slug}-t{host.new_run_id()}-pruned", []
    for text in ("one", "two"):
        dockerfile = f"FROM debian:trixie-slim\nLABEL pruned={tag}\nLABEL text={text}\n"
        engine.run("build", "--tag", f"{tag}:{text}", "-", text=dockerfile)
        ids.append(engine.run("image", "inspect", "--format", "{{.Id}}", f"{tag}:{text}").stdout.strip())
    # Not a rebuild for the same tag: on the containerd image store it deletes the first image.
    engine.run("tag", f"{tag}:two", f"{tag}:one")
    resources.prune_images(engine, label=f"pruned={tag}")
    left = [engine.run("image", "inspect", each, check=False).returncode == 0 for each in ids]
    engine.run("image", "rm", "--force", *(each for each, there in zip(ids, left, strict=True) if there))

    assert left == [engine.facts["name"] == "Podman", True]


def test_another_run_that_lives_is_seen(tmp_path):
    """A run knows whether another one lives on its engine; one that died, or itself, is no other."""
    own = tmp_path / f"{host.new_run_id()}.run"
    (tmp_path / f"{host.new_run_id()}.run").touch()
    with host.file_lock(own):
        assert not resources.other_run_active(own)
        with host.file_lock(tmp_path / f"{host.new_run_id()}.run"):
            assert resources.other_run_active(own)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_whole_run_that_was_ended_leaves_nothing_after_the_next(engine, number, tmp_path):
    """Ctrl-C in the middle of the suite, or SIGKILL and the next run: no container, network or volume of it stays."""
    run = host.new_run_id()
    running = runs.pytest(*runs.LONG, DRYDOCK_RUN=run)
    runs.until(lambda: _containers(engine, run), running)
    running.send_signal(number)
    running.communicate(timeout=60)
    if number == signal.SIGKILL:
        after = runs.pytest("--example=hello-container", "-k", "client_and_server")
        after.communicate(timeout=60)

    # Beside this test others start runs as well, and the first of them to come may be at it still.
    fixtures.until(lambda: runs.made_by(engine, run) == [], "all of it removed", 20)


def test_a_run_whose_engine_dies_ends_soon_and_says_so(engine, tmp_path):
    """An engine that is gone in the middle of a run ends it: within a minute, by its name, with an exit status."""
    run = host.new_run_id()
    door = runs.Door(tmp_path / "engine.sock", engine)
    running = runs.pytest(*runs.LONG, **door.env, DRYDOCK_RUN=run)
    runs.until(lambda: _containers(engine, run), running)
    door.shut()
    said = running.communicate(timeout=60)[0]
    resources.remove_leftovers(engine, resources.locks_folder(engine))

    assert running.returncode not in (0, pytest.ExitCode.NO_TESTS_COLLECTED), said
    assert f"the engine is gone: {engine.facts['name']} {engine.facts['version']}" in said
    assert "Traceback" not in said
    assert runs.made_by(engine, run) == []


def _containers(engine, run):
    return [thing for thing in runs.made_by(engine, run) if thing.kind == "container"]


def test_what_passed_is_named_and_skipped(tmp_path, monkeypatch):
    """A run names the units that passed earlier, runs the rest, and compares both together with the floor."""
    real = host.cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    host.cache_folder().mkdir()
    (host.cache_folder() / "locks").symlink_to(real / "locks")  # what other runs hold stays theirs
    met = choose.find_engine()  # as the run below meets it
    assert isinstance(met, Engine)
    recorded = {
        slug: evidence.load_evidence(slug).run for slug in examples.load_examples() if slug != "hello-container"
    }
    units = {
        slug: [
            *(Result(name, slug, kind="claim", name=name) for name in run.claims),
            *(Result(name, slug, kind="transcript", name=name) for name in run.transcripts),
        ]
        for slug, run in recorded.items()
    }
    passed.save_passed(met, {**units, "bases": [], "harness": []}, [])
    said = (running := runs.pytest("--unproven", "-n", "0", XDG_CACHE_HOME=str(tmp_path))).communicate(timeout=300)[0]

    assert running.returncode == 0, said
    assert [unit for unit in units if f"drydock: {unit}: passed " not in said] == [], said
    assert "hello-container: passed" not in said
    assert list(passed.still_passed(met, ["hello-container"])) == ["hello-container"]


def test_a_part_is_no_evidence():
    """Recording some tests of an example leaves its evidence as it was, and says so."""
    before = (ROOT / "evidence/runs/hello-container.json").read_bytes()
    said = runs.pytest("--record", "--example=hello-container", "-k", "client_and_server").communicate(timeout=60)[0]

    assert "no evidence written: only some tests of an example were asked for" in said
    assert (ROOT / "evidence/runs/hello-container.json").read_bytes() == before


def test_the_engine_is_named_in_every_run(engine):
    """A run says on which engine and base images it runs."""
    said = runs.pytest("--example=hello-container", "-k", "client_and_server").communicate(timeout=60)[0]

    assert f"engine: {engine}" in said


def test_the_private_engines_socket_is_its_owners(engine):
    """Nobody but its owner reaches a private engine, and its mirror listens on loopback only."""
    if not engine.private:
        assert not engine.mirror
        return
    home = Path(engine.client["DOCKER_HOST"].removeprefix("unix://")).parent

    assert home.stat().st_mode & 0o077 == 0
    assert engine.mirror.startswith("127.0.0.1:")
