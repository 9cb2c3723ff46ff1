"""Which pages are followed: those of the site in a folder, or some of them.

They run by ``nox -s follow``, which builds the site: ``pytest --on-engine tests/pages --follow=FOLDER``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drydock.engine import resources
from drydock.errors import DrydockError, did_you_mean
from drydock.model import example as examples, walkthroughs
from drydock.replay import reservations
from drydock.testing.plugin import SESSION


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ask for the folder of the built site, and for pages."""
    parser.addoption("--follow", metavar="FOLDER", help="the built site whose pages are followed")
    parser.addoption("--page", action="append", default=[], metavar="PAGE", help="follow only this page")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out of a run that was given no site."""
    return None if config.getoption("--follow", None) else True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a `page` once for each of them, the longest first."""
    if "page" not in metafunc.fixturenames:
        return
    config = metafunc.config
    try:
        typed = walkthroughs.load_steps(Path(config.getoption("--follow")))
    except DrydockError as error:
        raise pytest.UsageError(str(error)) from error
    known = {name: blocks for name, blocks in typed.items() if walkthroughs.has_order(name)}
    for name in config.getoption("--page"):
        if name not in known:
            raise pytest.UsageError(f"no page {name!r} that is followed{did_you_mean(name, known)}")
    picked = config.getoption("--page") or sorted(known, key=lambda name: -sum(len(each.lines) for each in known[name]))
    metafunc.parametrize("page", picked)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have what a reader made before make room, ahead of the workers: each of them would stumble over it."""
    known = session.config.stash.get(SESSION, None)
    if known and not hasattr(session.config, "workerinput"):
        try:
            reservations.free_names(known.engine, resources.locks_folder(known.engine), examples.load_examples())
        except DrydockError as error:
            raise pytest.UsageError(str(error)) from error
