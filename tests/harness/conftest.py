"""An example of a test's own, whose names on the engine nobody else has."""

from __future__ import annotations

import pytest
from runs import made

from drydock import host
from drydock.engine import resources
from drydock.model.example import Example
from drydock.replay import replay


@pytest.fixture(name="slug")
def _slug(engine):
    slug = f"harness{host.new_run_id()}"
    yield slug
    resources.remove_resources(engine, made(engine, slug))


@pytest.fixture(name="job")
def _job(engine, tmp_path, slug):
    def job(text, number=0, **more):
        root = tmp_path / "examples" / slug
        (root / "transcripts").mkdir(parents=True, exist_ok=True)
        (root / "transcripts" / "t.console").write_text(text.replace("SLUG", slug))
        return replay.Job(engine, Example(root), "t", tmp_path / f"copy{number}", tmp_path / "locks", **more)

    return job
