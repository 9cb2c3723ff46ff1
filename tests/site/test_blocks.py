"""Blocks on a phone and on a screen: captions and badges of one line, and copy buttons that cover nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import Site
from playwright.sync_api import Browser, Page

#: A line with its padding, in px.
LINE = 36
#: What is wrong with the blocks. Each copy button has the focus meanwhile; a block in a closed tab has no size.
FAULTS = """(line) => {
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return [...document.querySelectorAll(".drydock-file, .drydock-transcript")].flatMap((block) => {
    const faults = [];
    const name = block.querySelector(".drydock-name").textContent;
    const box = (selector) => block.querySelector(selector)?.getBoundingClientRect();
    if (box(".drydock-caption").height > line) faults.push(`caption of several lines: ${name}`);
    if (box(".drydock-badge").height > line) faults.push(`badge of several lines: ${name}`);
    const button = block.querySelector("button.copybtn");
    button?.focus();
    const covered = ["pre", ".drydock-name", ".drydock-zip", ".drydock-badge"].filter(
      (part) => box(part)?.width && overlap(box("button.copybtn"), box(part)),
    );
    return [...faults, ...covered.map((part) => `the copy button covers ${part}: ${name}`)];
  });
}"""
#: How wide the badges are beyond their blocks, at most.
CUT = """() => Math.max(0, ...[...document.querySelectorAll(".drydock-badge > summary")].map(
  (line) => line.scrollWidth - line.clientWidth))"""


@pytest.fixture(scope="module")
def visited(browser: Browser) -> Iterator[Page]:
    """Return a page on a device with touch."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    yield context.new_page()
    context.close()


def test_blocks_fit(page_path, visited, site: Site):
    """At 390 and 1,300 px, captions and badges have one line, and copy buttons cover no text, focused or not."""
    visited.goto(f"{site.url}/{page_path}")
    for width, height in ((390, 844), (1300, 900)):
        visited.set_viewport_size({"width": width, "height": height})

        assert visited.evaluate(FAULTS, LINE) == [], f"{page_path} at {width} px"
        assert visited.evaluate(CUT) == 0, f"{page_path} at {width} px"


def test_a_badge_opens_by_touch(visited, site: Site):
    """On a phone a badge shows the engine alone; a tap shows all of it, with a link to what it means."""
    visited.set_viewport_size({"width": 390, "height": 844})
    visited.goto(f"{site.url}/tutorials/first-container.html")
    badge = visited.locator(".drydock-badge").first
    rest = badge.locator("summary span").bounding_box()
    assert rest["width"] <= 1

    badge.locator("summary").tap()

    assert badge.locator("p").inner_text().startswith("Last run: Docker ")
    assert badge.locator("summary span").bounding_box()["width"] > 100
    badge.get_by_role("link", name="What this means").tap()
    visited.wait_for_url("**/about/tested-docs.html#the-line-below-a-block")
