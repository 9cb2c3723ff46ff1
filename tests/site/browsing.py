"""What the tests of the site share: where it is served, and what a page says while it is looked at."""

from __future__ import annotations

import gzip
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page

#: The site's error page, which a host serves for a page that is not there.
NOT_FOUND = "404.html"


@dataclass
class Site:
    """The site as it is served.

    :ivar folder: where its files are.
    :ivar url: its address, without a slash at the end.
    :ivar asked: what was asked for since it was last cleared: path, status and bytes of the body as sent.
    """

    folder: Path
    url: str
    asked: list[tuple[str, int, int]] = field(default_factory=list)


@dataclass
class Watch:
    """What a page said and asked for while it was looked at.

    :ivar problems: errors in the console, and requests that failed or left the site.
    """

    problems: list[str] = field(default_factory=list)

    def attach(self, page: Page, site: Site) -> None:
        """Listen to `page`."""
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", lambda said: said.type in ("error", "warning") and self.problems.append(said.text))
        page.on("requestfailed", lambda request: self.problems.append(f"failed: {request.url} {request.failure}"))
        page.on("response", lambda got: got.status >= 400 and self.problems.append(f"{got.status}: {got.url}"))
        page.on("request", lambda request: self._third_party(request.url, site))

    def _third_party(self, url: str, site: Site) -> None:
        if not url.startswith((f"{site.url}/", "data:", "about:", "blob:")):
            self.problems.append(f"third party: {url}")


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """Serve a site as a host of static files does: compressed, cached, and with the policy that it publishes."""
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
