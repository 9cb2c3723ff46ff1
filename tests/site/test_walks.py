"""Ways through the site: by keyboard, without scripts, on paper, to a page that is not there; and its policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import Site, Watch
from playwright.sync_api import Browser

#: Pages of each kind.
KINDS = (
    "index.html",
    "concepts/layers.html",
    "how-to/publish-ports.html",
    "examples/cache-order.html",
    "examples/index.html",
    "404.html",
)
#: The ring of a tab is around its label.
RING = """() => {
  const active = document.activeElement;
  if (active === document.body) return null;
  const here = getComputedStyle(active).opacity === "0" ? active.labels[0] : active;
  const style = getComputedStyle(here), box = here.getBoundingClientRect();
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return { name: here.outerHTML.slice(0, 120), seen, there: box.width > 0 && box.height > 0 };
}"""
CUT = """() => [...document.querySelectorAll("pre, table")].filter((each) =>
  each.getClientRects().length && each.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    || (each.matches("pre") && each.scrollWidth > each.clientWidth + 1)).map((each) => each.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("kind", KINDS)
def test_keyboard(kind, browser: Browser, site: Site):
    """Tab goes through a page: what has the focus is there, and has a ring around it."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{site.url}/{kind}")
    met = []
    for _ in range(90):
        page.keyboard.press("Tab")
        focus = page.evaluate(RING)
        if focus is None:
            break
        met.append(focus)
    context.close()

    assert len(met) > 5
    assert [focus for focus in met if not (focus["seen"] and focus["there"])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_without_scripts(kind, browser, site):
    """Without scripts a page shows what it says, in dark as the system asks, and offers nothing that is dead."""
    context = browser.new_context(java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{site.url}/{kind}")

    assert page.locator("article h1").is_visible()
    assert page.locator("article .highlight pre").evaluate_all(
        "(all) => all.every((each) => each.clientHeight || each.closest('.sd-tab-content'))"
    )
    for dead in (".drydock-filter", ".drydock-choice", ".theme-toggle-content", "button.copybtn"):
        assert page.locator(dead).evaluate_all(
            "(all) => all.every((each) => !each.getClientRects().length"
            " || getComputedStyle(each).visibility == 'hidden')"
        ), dead
    dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    context.close()

    assert max(map(int, dark.strip("rgba()").split(",")[:3])) < 64


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_print(kind, browser, site, request):
    """On paper no block and no table is cut, and what is folded is there."""
    context = browser.new_context(viewport={"width": 700, "height": 990})
    page = context.new_page()
    page.goto(f"{site.url}/{kind}")
    page.emulate_media(media="print")
    cut = page.evaluate(CUT)
    pictures = request.config.getoption("--pictures")
    if pictures:
        page.pdf(path=Path(pictures, kind.replace("/", "-")).with_suffix(".pdf"), format="A4")
    context.close()

    assert cut == []


def test_a_page_that_is_not_there(browser, site):
    """At any depth the error page has its style and its links, and its search works."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    watch = Watch()
    page.goto(f"{site.url}/concepts/deeper/gone.html")
    watch.attach(page, site)

    assert "no such page" in page.locator("article h1").inner_text()
    assert page.evaluate("() => document.styleSheets.length") > 3
    page.locator("article").get_by_label("Search").fill("layers")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=layers*")
    context.close()

    assert watch.problems == []


#: Addresses of sections that have moved, in either spelling -> where they are.
MOVED = {
    "reference/errors.html#exec-format-error": "reference/errors/start.html#exec-format-error",
    "reference/errors.html#gosum-not-found": "reference/errors/build.html#go-sum-not-found",
    "reference/errors.html#502-bad-gateway": "reference/errors/network.html#bad-gateway",
    "reference/errors.html#exit-code-137": "reference/errors/exit-codes.html#exit-code-137",
    "concepts/myths.html#small-images-start-faster": "concepts/myths/containers.html#small-images-start-faster",
    "how-to/multi-stage.html#install-twice": "how-to/multi-stage-node.html#install-twice",
}


@pytest.mark.parametrize("old", MOVED)
def test_a_section_that_has_moved(old, browser, site):
    """An old address leads on to the section; going back does not lead there again."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/index.html")
    page.goto(f"{site.url}/{old}")
    page.wait_for_url(f"{site.url}/{MOVED[old]}")
    there = page.locator(page.evaluate("() => location.hash")).count()
    page.go_back()
    back = page.url
    context.close()

    assert there == 1
    assert back == f"{site.url}/index.html"


@pytest.mark.parametrize("still", ["reference/errors.html#exit-codes", "reference/errors.html#no-such-words"])
def test_a_section_that_stays(still, browser, site):
    """An address whose section is on its page leads there, and so does one that nobody knows."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/{still}", wait_until="networkidle")
    found = page.url
    context.close()

    assert found == f"{site.url}/{still}"


def test_policy_forbids_foreign_scripts(browser, site):
    """The policy that the site publishes is in force, and no script runs that is not the site's own."""
    context = browser.new_context()
    page = context.new_page()
    response = page.goto(f"{site.url}/index.html")
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.foreign = 1';"
        " document.body.append(s); }"
    )
    ran = page.evaluate("() => window.foreign")
    context.close()

    assert "unsafe-inline' 'sha" not in response.headers["content-security-policy"]
    assert ran is None


def test_list_of_examples_is_filtered(browser, site):
    """A word and a topic leave the examples that have them."""
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{site.url}/examples/index.html")
    items = page.locator(".drydock-examples > li:visible")
    every = items.count()
    page.get_by_label("Filter").fill("secret")
    by_word = items.count()
    page.get_by_label("Filter").fill("")
    page.get_by_label("Topic").select_option(index=1)
    by_topic = items.count()
    context.close()

    assert 0 < by_word < every
    assert 0 < by_topic < every


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 768, 360])
@pytest.mark.parametrize("kind", KINDS)
def test_pictures(kind, width, theme, browser, site, request):
    """Pages of each kind are kept as pictures, to be looked at."""
    pictures = request.config.getoption("--pictures")
    if not pictures:
        pytest.skip("no folder was named: --pictures=FOLDER")
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=theme)
    page = context.new_page()
    page.goto(f"{site.url}/{kind}")
    name = f"{Path(kind).with_suffix('').as_posix().replace('/', '-')}-{width}-{theme}.png"
    page.screenshot(path=Path(pictures, name))
    context.close()
