"""Pages that are written to be followed from top to bottom can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from drydock.engine.client import Engine
from drydock.engine.resources import locks_folder
from drydock.errors import DrydockError
from drydock.model import example as examples, walkthroughs
from drydock.replay import walkthrough


def test_page(page: str, engine: Engine, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Typed in order, in one terminal, a page's steps print what it shows, and leave nothing but images in the end."""
    typed = walkthroughs.load_steps(Path(pytestconfig.getoption("--follow")))[page]
    result, fault = None, ""
    try:
        result = walkthrough.follow_page(
            typed, examples.load_examples(), engine, tmp_path / "reader", locks_folder(engine)
        )
    except DrydockError as error:
        fault = f"{page}: {error}"
    walkthrough.note_result(page, result if result and result.steps else None, locks_folder(engine))
    if fault:
        pytest.fail(fault, pytrace=False)
    if result and not result.steps:
        pytest.skip(f"needs {', '.join(result.lacking)}")
