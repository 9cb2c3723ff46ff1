"""What is not all on the screen at once: tabs, of which one is shown, and long transcripts, which are folded."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from browsing import Site
from playwright.sync_api import Browser, Page
from test_pages import SHIFT, SHIFT_SEEN

from drydock.site.blocks.fold import LONG

#: Two pages with the same choice, and how the second tab of the first is called in an address.
FIRST, SECOND, NAME = "how-to/publish-ports.html", "concepts/isolation.html", "publish-with-compose"
#: A transcript of many steps, of which some fail.
FOLDED = "examples/beyond-one-host.html"
HEIGHTS = "(all) => all.map((each) => each.getBoundingClientRect().height)"


@contextmanager
def opened(browser: Browser, address: str, **settings):
    """A page of somebody who has never been here."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, **settings)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def _chosen(page: Page) -> list[str]:
    return page.locator(".sd-tab-set > input:checked + label").all_inner_texts()


def _shown(page: Page) -> list[bool]:
    return [height > 0 for height in page.locator(".sd-tab-content").evaluate_all(HEIGHTS)]


def with_tabs(site: Site) -> list[str]:
    """Return the pages that have tabs."""
    pages = sorted(path for path in site.folder.rglob("*.html") if "_static" not in path.parts)
    return [
        path.relative_to(site.folder).as_posix() for path in pages if "sd-tab-set" in path.read_text(encoding="utf-8")
    ]


def test_tabs_without_scripts(browser, site):
    """Without scripts a click on a tab shows it, and hides the other."""
    with opened(browser, f"{site.url}/{FIRST}", java_script_enabled=False) as page:
        before = _shown(page)
        page.locator(".sd-tab-set > label").nth(1).click()
        after = _shown(page)

    assert before == [True, False]
    assert after == [False, True]


def test_choice_of_a_tab_is_remembered(browser, site):
    """What is chosen with an arrow is in the address, and chosen on each page from then on, before it is painted."""
    with opened(browser, f"{site.url}/{FIRST}") as page:
        page.locator(".sd-tab-set > input").first.focus()
        page.keyboard.press("ArrowRight")
        address = page.url
        context = page.context
        page.close()
        found, moved = [], []
        for path in (FIRST, SECOND):
            page = context.new_page()
            page.goto(f"{site.url}/{path}", wait_until="networkidle")
            found += _chosen(page)
            moved.append(page.evaluate(SHIFT)[0])

    assert address == f"{site.url}/{FIRST}#{NAME}"
    assert found == ["Compose", "Compose"]
    assert max(moved) <= SHIFT_SEEN


def test_address_of_a_tab(browser, site):
    """An address that ends in the name of a tab opens the page with that tab, and shows it."""
    with opened(browser, f"{site.url}/{FIRST}#{NAME}") as page:
        chosen = _chosen(page)
        # The page scrolls there smoothly, which takes a moment.
        page.wait_for_function("(name) => document.getElementById(name).getBoundingClientRect().y < 200", arg=NAME)
        place = page.locator(f"#{NAME}").bounding_box()

    assert chosen == ["Compose"]
    assert place["y"] >= 0


def test_tabs_on_paper(browser, site, request):
    """On paper all tabs are there, one after the other, each below its name."""
    pages = with_tabs(site)
    for path in pages:
        with opened(browser, f"{site.url}/{path}") as page:
            page.emulate_media(media="print")
            tops = page.locator(".sd-tab-set > :not(input)").evaluate_all(
                "(all) => all.map((each) => each.getBoundingClientRect().top)"
            )
            shown = _shown(page)
            if request.config.getoption("--pictures"):
                page.pdf(path=Path(request.config.getoption("--pictures"), f"tabs-{Path(path).stem}.pdf"), format="A4")

        assert all(shown), path
        assert tops == sorted(set(tops)), path
    assert {FIRST, SECOND} <= set(pages)


def test_tabs_as_markdown(site):
    """The Markdown of a page has all its tabs."""
    text = (site.folder / FIRST).with_suffix(".md").read_text(encoding="utf-8")

    assert re.search(
        r"\*\*docker run\*\*\n.*docker run -d .*\*\*Compose\*\*\n.*^services:", text, re.DOTALL | re.MULTILINE
    )


@pytest.fixture
def long_page(browser, site):
    """A page with folded transcripts, of somebody without scripts."""
    with opened(browser, f"{site.url}/{FOLDED}", java_script_enabled=False) as page:
        yield page


def test_a_fold_leaves_what_matters(long_page):
    """A folded transcript shows its first line, its last one, and every step that failed; its parts are named."""
    pre = long_page.locator("pre:has(.drydock-rest)").first
    text = pre.text_content().rstrip().split("\n")
    shown = pre.inner_text().rstrip().split("\n")
    failed = [line for line in text if re.fullmatch(r"\[exit \d+\]", line)]

    assert len(text) > LONG > len([line for line in shown if line in text])
    assert shown[0] == text[0]
    assert shown[-1] == text[-1]
    assert [line for line in shown if line in failed] == failed != []
    for line in (number for number, line in enumerate(text) if line in failed):
        assert text[line - 1] in shown


def test_a_fold_opens_without_scripts(long_page):
    """The box in the place of the lines shows them, and hides them again."""
    rest = long_page.locator(".drydock-rest").first
    heights = []
    for _ in range(3):
        heights.append(rest.bounding_box()["height"])
        long_page.locator(".drydock-fold input").first.click()

    assert heights[0] == heights[2] == 0 < heights[1]


def test_a_fold_opens_where_a_search_lands(browser, site):
    """A fold is open where the browser finds something in it, or where the site's search marks a word."""
    with opened(browser, f"{site.url}/{FOLDED}") as page:
        whole = page.locator("body").text_content()
        folds = [text.split("\n") for text in page.locator(".drydock-rest").all_text_contents()]
        second, only = next(
            (number, line)
            for number, lines in enumerate(folds[1:], 1)
            for line in lines
            if whole.count(line) == 1 and re.fullmatch(r"\w[\w ,:]+", line)
        )
    with opened(browser, f"{site.url}/{FOLDED}#:~:text={quote(only, safe='')}") as page:
        page.wait_for_function("() => document.querySelectorAll('.drydock-rest:not([hidden])').length == 1")
        found = page.locator(".drydock-rest").evaluate_all(HEIGHTS)
        page.locator(".drydock-rest span").first.evaluate("(word) => word.classList.add('highlighted')")
        marked = page.locator(".drydock-rest").evaluate_all(HEIGHTS)

    assert [number for number, height in enumerate(found) if height > 0] == [second]
    assert [number for number, height in enumerate(marked) if height > 0] == [0, second]


def test_a_fold_on_paper(long_page):
    """On paper nothing is folded, and there is no box."""
    long_page.emulate_media(media="print")

    assert min(long_page.locator(".drydock-rest").evaluate_all(HEIGHTS)) > 0
    assert not any(long_page.locator(".drydock-fold").evaluate_all(HEIGHTS))
