"""Replays every transcript of every example: what a page shows is what an engine printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from drydock.engine.client import Engine
from drydock.engine.resources import locks_folder
from drydock.errors import MalformedError, ReplayError
from drydock.model import example as examples
from drydock.model.evidence import DEFAULT_ENGINE
from drydock.replay import replay
from drydock.testing.results import report_steps

TRANSCRIPTS = [(slug, name) for slug, example in examples.load_examples().items() for name in example.transcripts]


@pytest.mark.parametrize(("slug", "name"), TRANSCRIPTS, ids=[f"{slug}/{name}" for slug, name in TRANSCRIPTS])
def test_transcript(slug: str, name: str, engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every command of the transcript prints what the page shows, and ends as it says."""
    option = request.config.getoption
    job = replay.Job(
        engine,
        examples.load_examples()[slug],
        name,
        tmp_path / "copy",
        locks_folder(engine),
        record=option("--record"),
        # They are what the default engine prints; another one is held to them, and never rewrites them.
        rewrite=option("--record") and engine.key == DEFAULT_ENGINE,
        accept=option("--accept-failures"),
        keep=option("--keep"),
    )
    try:
        lacking = replay.missing_needs(job.example.transcript(name), engine)
        if lacking:
            pytest.skip(f"needs {lacking}")
        report_steps(request.node, replay.run_job(job))
    except (ReplayError, MalformedError) as error:
        if isinstance(error, ReplayError):
            report_steps(request.node, error.outcomes)
        raise pytest.fail.Exception(str(error), pytrace=False) from None
