"""What a transcript needs of an engine, and what recording it changes."""

from __future__ import annotations

import dataclasses

import pytest

from drydock.engine.client import Engine
from drydock.errors import ReplayError
from drydock.model.example import Example
from drydock.model.transcript import parse_transcript
from drydock.replay import replay
from drydock.replay.shell import Outcome

FACTS = {
    "name": "Docker",
    "version": "28.5.2",
    "store": "overlay2",
    "architecture": "amd64",
    "base_images": "stand-ins",
}


@pytest.mark.parametrize(
    ("facts", "needs", "lacking"),
    [
        ({}, "docker-28 overlay2-store amd64", ""),
        ({"version": "29.0.1"}, "docker-28", ""),
        ({"version": "26.1.5"}, "docker-28", "Docker 28 or later"),
        ({"store": "containerd"}, "overlay2-store", "overlay2-store"),
        ({}, "docker-hub containerd-store", "containerd-store, docker-hub"),
        ({"base_images": "official"}, "docker-hub", ""),
        ({"name": "Podman"}, "amd64", "Docker's own client and builder"),
    ],
)
def test_missing_needs(facts, needs, lacking):
    """What a step needs and the engine has not is named; for Podman, all transcripts show another's output."""
    found = replay.missing_needs(
        parse_transcript(f"#% needs {needs}\n$ true\n", "t.console"), Engine({}, facts=FACTS | facts)
    )

    assert found.startswith(lacking)
    assert bool(found) == bool(lacking)


@pytest.mark.parametrize("text", ["#% retry 5s\n#% name a\n$ b \\\n>\n", "#%  limit  180s\n$ a", "$ a\n...\n"])
def test_a_record_of_what_matches_leaves_the_file(tmp_path, text):
    """A transcript that matched stays as its author wrote it, also where it would be rendered in another form."""
    place = tmp_path / "hello/transcripts/t.console"
    place.parent.mkdir(parents=True)
    place.write_text(text)
    job = replay.Job(Engine({}, facts=FACTS), Example(tmp_path / "hello"), "t", tmp_path, tmp_path, rewrite=True)
    transcript = parse_transcript(text, "t.console")
    replay._rewrite_transcript(
        job, transcript, [Outcome(step, dataclasses.replace(step), 0.0) for step in transcript.steps]
    )

    assert place.read_text() == text


def _outcomes(tmp_path, text, *printed):
    place = tmp_path / "hello/transcripts/t.console"
    place.parent.mkdir(parents=True)
    place.write_text(text)
    job = replay.Job(
        Engine({}, facts=FACTS), Example(tmp_path / "hello"), "t", tmp_path / "copy", tmp_path, record=True
    )
    transcript = parse_transcript(text, "t.console")
    outcomes = [
        Outcome(step, dataclasses.replace(step, output=output), 0.0)
        for step, output in zip(transcript.steps, printed, strict=True)
    ]
    return replay._record_outcomes(job, transcript, outcomes)


def test_what_steps_print_is_recorded(tmp_path):
    """A step that printed something else than its pattern gets a record, without the path of the copy."""
    path = f"{tmp_path}/copy/hello"
    recorded = _outcomes(tmp_path, "$ echo a\na\n$ pwd\n[..]\n", ("a",), (path,))

    assert [outcome.record for outcome in recorded] == [None, ("/home/you/hello",)]


def test_a_secret_is_not_recorded(tmp_path):
    """A step that prints a secret where its pattern is open fails a recording; the report has its line."""
    with pytest.raises(ReplayError, match=r"^t.console:3: a record with a secret; let the command not print it"):
        _outcomes(tmp_path, "$ echo a\na\n$ cat key\n...\n", ("a",), ("-----BEGIN PRIVATE KEY-----",))
