"""Every page, in light and dark, at three widths: nothing fails, nothing overflows, nothing shuts a reader out."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from browsing import Site, Watch
from playwright.sync_api import Browser, Page

WIDTHS = (1400, 768, 360)
#: WCAG 2.2 up to level AA, as axe names its parts.
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: At most so much for the first page of a visit and for the next one: KB as sent, and requests.
FIRST_KB, FIRST_REQUESTS, NEXT_KB = 60, 20, 25
#: It comes with the index, and has a budget of its own in test_search.py.
SEARCH = "search.html"

#: What Chromium says of a request that it gave up because a network of the host came or went, as an engine makes them.
NETWORK = "ERR_NETWORK_CHANGED"

OVERFLOW = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return "";
  const wide = [...document.querySelectorAll("body *")].filter(
    (each) => each.getBoundingClientRect().right > room + 1 && getComputedStyle(each).position !== "fixed"
  );
  return `${document.documentElement.scrollWidth} px: ` + wide.slice(-3).map((each) => each.outerHTML.slice(0, 90));
}"""
#: The headings whose height a link has a part in, though nobody sees the link, or what the theme's script adds, such as
#: its switch beside a title. A page that is painted before the link was read, or the script has run, would shift, too.
BROKEN = """() => {
  const headings = [...document.querySelectorAll(":is(h1, h2, h3, h4, h5, h6):has(.headerlink)")];
  const heights = () => headings.map((each) => each.getBoundingClientRect().height);
  const before = heights();
  const rule = new CSSStyleSheet();
  rule.replaceSync(".headerlink { display: none !important }");
  document.adoptedStyleSheets = [rule];
  const after = heights();
  document.adoptedStyleSheets = [];
  document.documentElement.classList.add("no-js");
  const unscripted = heights();
  document.documentElement.classList.remove("no-js");
  const moved = (_, index) => before[index] !== after[index] || before[index] !== unscripted[index];
  return headings.filter(moved).map((each) => each.textContent);
}"""
#: Less than this of a layout shift is a fraction of a pixel, which nobody sees.
SHIFT_SEEN = 0.0005
SHIFT = """() => new Promise((done) => {
  let sum = 0;
  const moved = [];
  new PerformanceObserver((list) => list.getEntries().forEach((each) => {
    sum += each.value;
    each.sources.forEach(({ node }) => moved.push((node?.outerHTML ?? node?.textContent ?? "").slice(0, 90)));
  })).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => setTimeout(() => done([sum, moved]), 0));
})"""
#: Most of axe's time goes into contrast, and a word is as easy to read as the next one that looks the same. So on most
#: pages the first of each look is measured: of each way of tags, classes and colours that leads to a text. The words of
#: code are left to a few pages, which have them all.
VIOLATIONS = """async ([tags, whole]) => {
  const looks = new Set();
  const own = (each) => [each.localName, each.className.baseVal ?? each.className, each.getAttribute("style"),
    each.getAttribute("fill"), each.localName === "tr" && [...each.parentNode.children].indexOf(each) % 2].join();
  const look = (each) => (each === document.documentElement ? "" : look(each.parentElement) + ">" + own(each));
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (!whole && texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest("pre span") || looks.has(look(element))) continue;
    looks.add(look(element));
    element.dataset.look = "";
  }
  axe.configure({ rules: [{ id: "color-contrast", selector: whole ? "*" : "[data-look]" }] });
  const found = await axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
  return found.violations.map((rule) => `${rule.id}: ` + rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))
    + ` (${rule.nodes.length}) ` + (rule.nodes[0].any[0]?.message ?? ""));
}"""


def _axe() -> str:
    [folder] = find_spec("axe_playwright_python").submodule_search_locations
    return Path(folder, "axe.min.js").read_text(encoding="utf-8")


AXE = _axe()


@pytest.fixture(scope="session")
def visitor(browser: Browser, site: Site):
    """Somebody who has been on the front page, and has what all pages share in their browser's cache."""
    context = browser.new_context(color_scheme="dark", viewport={"width": 360, "height": 740}, has_touch=True)
    page = context.new_page()
    page.goto(f"{site.url}/index.html", wait_until="networkidle")
    yield context
    context.close()


@cache
def colourful(folder: Path) -> set[str]:
    """Return pages that have every kind of word that code is coloured by."""
    kinds = {
        path.relative_to(folder).as_posix(): set(re.findall(r'<span class="(\w+)">', path.read_text(encoding="utf-8")))
        for path in sorted(folder.rglob("*.html"))
    }
    chosen: set[str] = set()
    missing = set().union(*kinds.values())
    while missing:
        richest = max(kinds, key=lambda name: len(kinds[name] & missing))
        chosen.add(richest)
        missing -= kinds[richest]
    return chosen


def _look(page: Page, site: Site, page_path: str) -> tuple[list[str], list[tuple[str, int, int]]]:
    """Load a page, and return what is wrong with it at each width, and what it asked the server for."""
    watch = Watch()
    watch.attach(page, site)
    # On a busy machine a browser paints a page before it has read all of it, now and then in the middle of a line.
    # What shifts by that hardly does so each time; what shifts by how the page is made may (and see BROKEN).
    asked: list[tuple[str, int, int]] = []
    for _ in range(5):
        site.asked.clear()
        watch.problems.clear()
        page.goto(f"{site.url}/{page_path}", wait_until="networkidle")
        shift, moved = page.evaluate(SHIFT)
        asked = max(asked, list(site.asked), key=len)  # a second load has much of it from the browser's cache
        if shift <= SHIFT_SEEN and not any(NETWORK in problem for problem in watch.problems):
            break
    problems = watch.problems
    if shift > SHIFT_SEEN:
        problems.append(f"the layout shifts by {shift:.4f} each time: {moved}")
    page.evaluate(AXE)
    problems += page.evaluate(VIOLATIONS, [STANDARD, page_path in colourful(site.folder)])
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate(OVERFLOW)
        if wide:
            problems.append(f"wider than {width} px: {wide}")
        broken = page.evaluate(BROKEN)
        if broken:
            problems.append(f"at {width} px a link that is hidden, or the script, breaks the line of: {broken}")
    return problems, asked


def _next(page_path: str) -> float:
    """Return how many KB the page itself may weigh."""
    return 60 if page_path == SEARCH else NEXT_KB


def test_first_visit(page_path, browser, site, record_property):
    """A page that somebody sees first, in light and wide, is sound, and within the budget of a first visit."""
    context = browser.new_context(color_scheme="light", viewport={"width": 1400, "height": 900})
    problems, asked = _look(context.new_page(), site, page_path)
    context.close()
    weight = sum(size for _, _, size in asked) / 1000
    record_property("KB of a first visit", weight)
    record_property("requests of a first visit", len(asked))

    assert not problems, "\n".join(problems)
    assert weight <= FIRST_KB + max(0, _next(page_path) - NEXT_KB)
    assert len(asked) <= FIRST_REQUESTS


def test_next_page(page_path, visitor, site, record_property):
    """A page that somebody goes on to, in dark and on a phone, is sound, and within the budget of a next page."""
    page = visitor.new_page()
    problems, asked = _look(page, site, page_path)
    page.close()
    weight = sum(size for _, _, size in asked) / 1000
    record_property("KB of the next page", weight)

    assert not problems, "\n".join(problems)
    assert weight <= _next(page_path)
