"""Pages that are written to be followed from top to bottom can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from drydock import example as examples, follow, followed
from drydock.engine import Engine
from drydock.errors import DrydockError
from drydock.testing import locks


def test_page(page: str, engine: Engine, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Typed in order, in one terminal, a page's steps print what it shows, and leave nothing but images in the end."""
    typed = followed.load_steps(Path(pytestconfig.getoption("--follow")))[page]
    result, fault = None, ""
    try:
        result = follow.follow(typed, examples.load(), engine, tmp_path / "reader", locks(engine))
    except DrydockError as error:
        fault = f"{page}: {error}"
    follow.note(page, result if result and result.steps else None, locks(engine))
    if fault:
        pytest.fail(fault, pytrace=False)
    if result and not result.steps:
        pytest.skip(f"needs {', '.join(result.lacking)}")
