"""The search finds what readers paste and type, from the keyboard, and weighs little."""

from __future__ import annotations

import pytest
from browsing import Site
from playwright.sync_api import Browser, Page

#: A search by somebody who has been on the site weighs at most so many KB.
SEARCH_KB = 60
#: What is asked -> the page that is to be among the first three results.
ASKED = {
    # Error messages, pasted whole
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?": (
        "errors/engine"
    ),
    'docker: Error response from daemon: Conflict. The container name "/web" is already in use by container '
    '"1f2e3d4c5b6a". You have to remove (or rename) that container to be able to reuse that name.': "errors/engine",
    "Bind for 0.0.0.0:8080 failed: port is already allocated": "errors/network",
    "exec /entrypoint.sh: exec format error": "errors/start",
    'OCI runtime create failed: runc create failed: exec: "pythn": executable file not found in $PATH': "errors/start",
    "manifest for python:3.99 not found: manifest unknown": "errors/pulls",
    "no matching manifest for linux/arm64/v8 in the manifest list entries": "errors/pulls",
    "write /var/lib/data: no space left on device": "errors/files",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority": "errors/running",
    'service "migrate" didn\'t complete successfully: exit 1': "errors/compose",
    "error: network web_default has active endpoints": "errors/network",
    "ModuleNotFoundError: No module named 'flask'": "errors/running",
    # Flags
    "--network-alias": "networks",
    "--mount type=cache": "examples/cache-mounts",
    "--build-arg": "env-config",
    "--cap-drop": "harden",
    "docker run --rm": "first-container",
    # Instructions
    "HEALTHCHECK": "dockerfile",
    "ENTRYPOINT": "cmd-vs-entrypoint",
    "ONBUILD": "dockerfile",
    "STOPSIGNAL": "dockerfile",
    # Slugs
    "cache-order": "examples/cache-order",
    "layer-leftovers": "examples/layer-leftovers",
    "build-secrets": "examples/build-secrets",
    # Words
    "volume": "volumes",
    "layers": "layers",
    "multi-stage build": "multi-stage",
    "digest": "registries",
    "exit code 137": "errors/exit-codes",
    "docker stop takes 10 seconds": "signals",
    "entrypoint script": "entrypoint-scripts",
    "restart policy": "lifecycle",
    "is a container a virtual machine": "myths/containers",
    "depends_on healthy": "startup-order",
}


@pytest.fixture(scope="module")
def page(browser: Browser, site: Site):
    """A page of somebody who has been on the front page."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(f"{site.url}/index.html", wait_until="networkidle")
    yield page
    context.close()


def _results(page: Page) -> list[str]:
    """Return where the results lead, best first, when all are there."""
    page.wait_for_function("() => document.querySelector('.search-summary')?.textContent.includes('found')")
    page.wait_for_timeout(150)  # Sphinx adds them one by one
    return page.locator("ul.search > li > a").evaluate_all("(links) => links.map((link) => link.pathname)")


@pytest.mark.parametrize("query", ASKED)
def test_query(query, page, site, record_property):
    """The page that answers is among the first three results."""
    page.goto(f"{site.url}/search.html")
    page.locator("article input[name=q], input[name=q]").first.fill(query)
    page.keyboard.press("Enter")
    found = _results(page)[:3]
    record_property("queries found", 1)

    assert any(path.endswith(f"/{ASKED[query]}.html") for path in found), found


def test_from_the_keyboard(page, site):
    """A slash goes to the search, Enter asks, and Tab reaches the first result, which Enter opens."""
    page.goto(f"{site.url}/concepts/layers.html")
    page.keyboard.press("/")
    page.keyboard.type("build-secrets")
    page.keyboard.press("Enter")
    _results(page)
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.matches('ul.search a')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/examples/build-secrets.html*")


def test_section_is_found(page, site):
    """An error message leads to its section, not only to the page of all of them."""
    page.goto(f"{site.url}/search.html?q=port+is+already+allocated")
    _results(page)

    assert page.locator("ul.search > li > a").first.get_attribute("href").endswith("#port-is-already-allocated")


def test_weight(browser, site, record_property):
    """A search fetches the index and the code, and no page that it found; the answer is there at once."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/index.html", wait_until="networkidle")
    site.asked.clear()
    page.goto(f"{site.url}/search.html?q=docker", wait_until="networkidle")
    found = _results(page)
    weight = sum(size for _, _, size in site.asked) / 1000
    # The quickest of some: that is what the search takes, without what else the machine is busy with.
    spent = min(
        page.evaluate(
            "() => { const began = performance.now();"
            " Search._performSearch(...Search._parseQuery('docker image build'));"
            " return performance.now() - began; }"
        )
        for _ in range(5)
    )
    context.close()
    record_property("KB of a search", weight)
    record_property("ms of a search", round(spent, 1))

    assert found
    assert weight <= SEARCH_KB
    assert spent < 100
