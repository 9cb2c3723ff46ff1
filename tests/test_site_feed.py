"""The changelog as a feed: what an Atom feed has to have, and headings that make none."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET

import pytest
from test_site import CONF, site

from drydock import ROOT
from drydock.site.outputs import feed

__all__ = ["site"]

ADDRESS = "https://docs.example/book/"
CHANGELOG = """\
# Changelog

What changed.

## Unreleased

- Not out yet.

## 0.2.0 - 2026-12-01

### Added

- A *page* on `docker run <image>`.

## [0.1.0] - 2026-11-20

- The site.
"""
ATOM = {"a": feed.ATOM}


@pytest.fixture
def told(site):
    """Return a site with a changelog of two versions, and an address."""
    site.write("conf.py", f'{CONF}\nhtml_baseurl = "{ADDRESS}"\n')
    site.write("CHANGELOG.md", CHANGELOG)
    site.write("docs/about/changelog.md", "---\norphan: true\n---\n\n# Changelog\n\n## Unreleased\n\nNothing.\n")
    return site


def test_the_feed_is_what_a_reader_of_feeds_takes(told):
    """A feed and each entry has title, identity, time, and for the feed an author: what RFC 4287 asks for."""
    built = told.build()
    tree = ET.fromstring(built.text("changelog.atom"))
    both = [tree, *tree.iterfind("a:entry", ATOM)]
    identities = [each.findtext("a:id", None, ATOM) for each in both]

    assert built.warnings == []
    assert tree.tag == f"{{{feed.ATOM}}}feed"
    assert tree.findtext("a:author/a:name", None, ATOM)
    assert tree.find("a:link[@rel='self']", ATOM).get("href") == f"{ADDRESS}changelog.atom"
    assert len(set(identities)) == 3
    assert all(each.startswith(ADDRESS) for each in identities)
    for each in both:
        assert each.findtext("a:title", None, ATOM)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each.findtext("a:updated", None, ATOM))
        assert each.find("a:link[@rel='alternate']", ATOM).get("href") == f"{ADDRESS}about/changelog.html"


def test_the_feed_has_the_versions_that_are_out(told):
    """Versions with a date are entries, the newest first, with their text as HTML; what is to come is none."""
    tree = ET.fromstring(told.build().text("changelog.atom"))
    first, second = tree.iterfind("a:entry", ATOM)

    assert first.findtext("a:title", None, ATOM).endswith(" 0.2.0")
    assert first.findtext("a:updated", None, ATOM) == tree.findtext("a:updated", None, ATOM) == "2026-12-01T00:00:00Z"
    assert "<li>A <em>page</em> on <code>docker run &lt;image&gt;</code>.</li>" in first.findtext("a:content", "", ATOM)
    assert second.findtext("a:id", None, ATOM) == f"{ADDRESS}changelog.atom#0.1.0"
    assert "Not out yet" not in ET.tostring(tree, encoding="unicode")


def test_the_feed_is_reproducible(told):
    """Two builds give a feed of equal bytes."""
    before = (told.build().out / "changelog.atom").read_bytes()
    shutil.rmtree(told.top / "_build")

    assert (told.build().out / "changelog.atom").read_bytes() == before


def test_the_feed_is_named_on_the_changelog_and_the_front_page(told):
    """The heads of both name it, readers of the changelog see it, and other pages do not weigh more by it."""
    built = told.build()

    assert 'type="application/atom+xml" title="Changes" href="changelog.atom">' in built.text("index.html")
    assert 'type="application/atom+xml" title="Changes" href="../changelog.atom">' in built.text("about/changelog.html")
    assert '<a class="reference internal" href="../changelog.atom">a feed</a>' in built.text("about/changelog.html")
    assert "<h2>Unreleased" in built.text("about/changelog.html")  # and nothing of the page is escaped
    assert "atom" not in built.text("first.html")


@pytest.mark.parametrize("lacks", ["address", "version", "page"])
def test_no_feed_without_what_it_is_made_of(told, lacks):
    """Without an address, a version that is out, or a page to lead to, there is no feed, and nothing names one."""
    if lacks == "address":
        told.write("conf.py", CONF)
    elif lacks == "version":
        told.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n- Not out yet.\n")
    else:
        (told.top / "docs/about/changelog.md").unlink()
    built = told.build()

    assert built.warnings == []
    assert not (built.out / "changelog.atom").exists()
    assert "atom" not in built.text("index.html")


@pytest.mark.parametrize("heading", ["0.3.0", "0.3.0 - soon", "0.3.0 - 2026-13-01", "2026-12-01", "unreleased"])
def test_a_heading_that_is_no_version_is_reported(told, heading):
    """A heading without a version and its date is a mistake, which the build reports."""
    told.write("CHANGELOG.md", CHANGELOG.replace("0.2.0 - 2026-12-01", heading))
    [warning] = told.build().warnings

    assert warning.startswith("CHANGELOG.md:1: WARNING: ")
    assert repr(heading) in warning


def test_the_changelog_of_the_repository_is_one():
    """The repository's own changelog is read."""
    feed.releases((ROOT / feed.SOURCE).read_text(encoding="utf-8"))
