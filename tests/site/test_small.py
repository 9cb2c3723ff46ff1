"""What the built site has only in part, on a small one with the same settings: terms, links to issues."""

from __future__ import annotations

import shutil
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import Site, Watch, serving
from playwright.sync_api import Browser, Page
from small_site import Site as Small
from test_pages import AXE, STANDARD, VIOLATIONS

from drydock import ROOT

REPOSITORY = "https://github.com/someone/drydock"
WORDS = """\
Who made this {term}`image`, and of what?

:::{glossary}
other
  Another word.
:::"""
GLOSSARY = ":::{glossary}\nimage\n  Files in layers; see there.\n:::"
FIRST = ":::{transcript} greeting/run\n:::\n\n" + "Line.\n\n" * 80 + "## Far\n\nHere."


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Serve a small site that knows its repository."""
    made = Small(tmp_path_factory.mktemp("small"))
    made.write("conf.py", (ROOT / "conf.py").read_text(encoding="utf-8"))
    for folder in ("docs/_static", "docs/_templates"):
        shutil.copytree(ROOT / folder, made.top / folder)
    for name, body in {"first": FIRST, "words": WORDS, "glossary": GLOSSARY}.items():
        made.page(name, body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRYDOCK_REPOSITORY", REPOSITORY)
        built = made.build()
    assert built.warnings == []
    with serving(built.out) as served:
        yield served


@pytest.fixture
def page(browser: Browser, small: Site):
    """A page of somebody with a phone in dark, which says nothing that it should not."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, color_scheme="dark")
    page, watch = context.new_page(), Watch()
    watch.attach(page, small)
    yield page
    context.close()
    assert watch.problems == []


def _opens(page: Page) -> None:
    told = page.locator(".drydock-term [popover]")
    assert told.is_visible()
    assert told.inner_text() == "Files in layers. Glossary"
    box = told.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]


def test_a_term_opens_by_keyboard(page, small):
    """Enter opens what the glossary says, Tab goes on to the link in it, and Escape closes it."""
    page.goto(f"{small.url}/words.html")
    page.get_by_role("button", name="image").focus()
    assert not page.locator("[popover]").is_visible()
    page.keyboard.press("Enter")
    _opens(page)
    page.evaluate(AXE)
    assert page.evaluate(VIOLATIONS, [STANDARD, True]) == []
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Glossary"
    page.keyboard.press("Escape")
    assert not page.locator("[popover]").is_visible()


def test_a_term_opens_by_touch(page, small):
    """A tap opens it, within the screen, and a tap beside it closes it."""
    page.goto(f"{small.url}/words.html")
    page.get_by_role("button", name="image").tap()
    _opens(page)
    page.locator("h1").tap()
    assert not page.locator("[popover]").is_visible()


def test_a_term_opens_under_a_pointer(page, small):
    """A pointer that rests on it opens it, can go to what it says, and closes it where it leaves; so does Escape."""
    page.goto(f"{small.url}/words.html")
    told = page.locator("[popover]")
    for leave in (lambda: page.mouse.move(350, 700), lambda: page.keyboard.press("Escape")):
        page.get_by_role("button", name="image").hover()
        told.wait_for(state="visible")
        told.hover()
        _opens(page)
        leave()
        told.wait_for(state="hidden")


def test_a_term_opens_without_scripts(browser, small):
    """It needs no script."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{small.url}/words.html")
    page.get_by_role("button", name="image").press("Enter")
    _opens(page)
    context.close()


def test_a_block_leads_to_an_issue_about_it(page, small):
    """The link of a block says which it is, what was typed, and where that was last run, and is told from others."""
    page.goto(f"{small.url}/first.html")
    page.locator(".drydock-badge summary").tap()
    link = page.get_by_role("link", name="did not work? greeting / run.console")
    uri = urlsplit(link.get_attribute("href"))
    told = {name: value for name, [value] in parse_qs(uri.query).items()}

    assert uri.geturl().startswith(f"{REPOSITORY}/issues/new?")
    assert told["title"] == "Did not work: first: greeting / run.console"
    assert told["body"].startswith(
        "Page: first\nBlock: greeting / run.console\nLast run: Docker 28.5.2 on 2026-11-20, "
    )
    assert "\n$ docker build -t greeting .\n$ docker run --rm \\\n>   greeting\n\nWhat I did and saw:" in told["body"]


def test_a_block_leads_to_the_end_without_scripts(browser, small):
    """Without scripts a block's link goes to the line below the page, which leads to an issue about that."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{small.url}/first.html")
    page.locator(".drydock-badge summary").click()
    page.locator(".drydock-report").click()
    line = page.locator("#drydock-wrong")

    assert page.url.endswith("/first.html#drydock-wrong")
    assert line.locator("a").get_attribute("href").startswith(f"{REPOSITORY}/issues/new?title=Did+not+work")
    context.close()
