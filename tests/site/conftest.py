"""The built site behind a server of this process, and one browser for all tests of a worker.

They run by ``nox -s site``, which builds the site and names its folder: ``pytest tests/site --site=FOLDER``.
"""

from __future__ import annotations

import gzip
import mimetypes
import shutil
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

import pytest
from browsing import NOT_FOUND, Site
from playwright.sync_api import Browser, sync_playwright

#: Names under which a Chromium is found; Debian's is the first.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ask for the folder of the built site."""
    parser.addoption("--site", metavar="FOLDER", help="the built site that the tests in tests/site drive")
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
    """Serve the site as a host of static files does: compressed, cached, and with the policy that it publishes."""
    folder = Path(request.config.getoption("--site")).resolve()
    served = Site(folder, "")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(served, _published_headers(folder)))
    served.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()


def _published_headers(folder: Path) -> list[tuple[str, str]]:
    """Return the headers that the site's own ``_headers`` asks its host to send with every file."""
    lines = (folder / "_headers").read_text(encoding="utf-8").splitlines() if (folder / "_headers").is_file() else []
    pairs = [line.strip().partition(": ") for line in lines if line.startswith(" ")]
    return [(name, value) for name, _, value in pairs]


def _answering(served: Site, headers: list[tuple[str, str]]) -> type[BaseHTTPRequestHandler]:
    @cache
    def body(path: Path) -> bytes:
        return gzip.compress(path.read_bytes(), 6)

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            file = served.folder / path.lstrip("/")
            file = file / "index.html" if file.is_dir() else file
            status = 200 if file.is_file() else 404
            file = file if status == 200 else served.folder / NOT_FOUND
            data = body(file) if file.is_file() else b""
            served.asked.append((path, status, len(data)))
            self.send_response(status)
            self.send_header("Content-Type", mimetypes.guess_type(file.name)[0] or "text/plain; charset=utf-8")
            if data:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "max-age=600")
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Answering


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the browser that is installed. Without one the tests fail: a skip would pass for a proof."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.fail(f"no browser: none of {', '.join(BROWSERS)} is installed; run: apt-get install chromium")
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
