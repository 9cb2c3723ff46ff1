"""What the tests of the site share: where it is served, and what a page says while it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

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
