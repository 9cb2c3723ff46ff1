"""The site as a zip, unpacked and opened from a folder, without any server."""

from __future__ import annotations

import zipfile

import pytest
from browsing import Watch
from playwright.sync_api import Browser


@pytest.fixture
def folder(tmp_path, site):
    """Unpack the zip."""
    with zipfile.ZipFile(site.folder / "drydock.zip") as archive:
        archive.extractall(tmp_path)
    site.url, served = tmp_path.as_uri(), site.url
    yield tmp_path / "drydock"
    site.url = served


def test_pages_tabs_and_search_work_from_a_folder(browser: Browser, site, folder):
    """From the front page to a page with tabs to a search: all files are there, and nothing leaves the folder."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page, watch = context.new_page(), Watch()
    watch.attach(page, site)
    page.goto((folder / "index.html").as_uri())
    styles = page.evaluate("() => getComputedStyle(document.querySelector('.sidebar-drawer')).display")
    page.locator("article").get_by_role("link", name="Publish ports").click()
    tabs = page.locator(".sd-tab-set").first.locator("> label")
    tabs.nth(1).click()
    opened = page.locator(".sd-tab-set").first.locator("> .sd-tab-content").nth(1).is_visible()
    page.locator(".sidebar-search").fill("port is already allocated")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.search-summary')?.textContent.includes('found')")
    page.locator("ul.search > li > a").first.click()
    page.wait_for_url("**#port-is-already-allocated")
    section = page.locator("#port-is-already-allocated").is_visible()
    context.close()

    assert styles != "block"
    assert opened
    assert section
    assert watch.problems == []
