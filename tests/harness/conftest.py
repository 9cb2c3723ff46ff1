"""An example of a test's own, whose names on the engine nobody else has."""

from __future__ import annotations

import pytest
from runs import made

from drydock import inventory, record
from drydock.example import Example


@pytest.fixture(name="slug")
def _slug(engine):
    slug = f"harness{inventory.new_run()}"
    yield slug
    inventory.remove(engine, made(engine, slug))


@pytest.fixture(name="job")
def _job(engine, tmp_path, slug):
    def job(text, number=0, **more):
        root = tmp_path / "examples" / slug
        (root / "transcripts").mkdir(parents=True, exist_ok=True)
        (root / "transcripts" / "t.console").write_text(text.replace("SLUG", slug))
        return record.Job(engine, Example(root), "t", tmp_path / f"copy{number}", tmp_path / "locks", **more)

    return job
