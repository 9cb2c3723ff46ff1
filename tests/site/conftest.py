"""The built site behind a server of this process, and one browser for all tests of a worker.

They run by ``nox -s site``, which builds the site and names its folder: ``pytest tests/site --site=FOLDER``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from browsing import Site, serving
from playwright.sync_api import Browser, sync_playwright


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ask for the folder of the built site."""
    parser.addoption("--site", metavar="FOLDER", help="the built site that the tests in tests/site drive")
    parser.addoption("--browser", metavar="PROGRAM", default="chromium", help="the Chromium that drives it")
    parser.addoption("--pictures", metavar="FOLDER", help="keep what pages look like, on a screen and on paper")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out of a run that was given no site."""
    return None if config.getoption("--site", None) else True


def pages(config: pytest.Config) -> list[str]:
    """Return the pages of the site, as paths in its folder."""
    folder = Path(config.getoption("--site"))
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    return [path for path in found if not path.startswith(("_static/", "_examples/"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `page_path` once for each page of the site."""
    if "page_path" in metafunc.fixturenames:
        found = pages(metafunc.config)
        if not found:
            raise pytest.UsageError(f"there is no page in {metafunc.config.getoption('--site')}: run nox -s site")
        metafunc.parametrize("page_path", found)


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Serve the site."""
    with serving(Path(request.config.getoption("--site")).resolve()) as served:
        yield served


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Start the browser. Where it is not installed the tests fail: a skip would pass for a proof."""
    wanted = request.config.getoption("--browser")
    program = shutil.which(wanted)
    if program is None:
        pytest.fail(f"there is no {wanted}; run: apt-get install chromium, or name another Chromium by --browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that the tests took, as their median and their worst."""
    taken: dict[str, list[float]] = {}
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", "") == "call":
            for name, value in report.user_properties:
                taken.setdefault(name, []).append(value)
    for name, values in sorted(taken.items()):
        terminalreporter.write_line(f"{name}: median {median(values):g}, worst {max(values):g}, of {len(values)}")
