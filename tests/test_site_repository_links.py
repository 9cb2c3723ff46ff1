"""What leads from a page to the repository: its source, and an issue about what did not work."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from small_site import CONF
from sphinx.errors import ConfigError

from drydock.site.outputs import repository_links

GITHUB, GITLAB = "https://github.com/someone/drydock", "https://gitlab.example.org/someone/drydock/"
OTHER = "https://git.example.org/someone/drydock"


def link(html):
    """Return where the line below a page leads."""
    return unescape(re.search(r'<p id="drydock-wrong".*?href="([^"]*)"', html)[1])


@pytest.mark.parametrize(
    ("repository", "start", "fields"),
    [
        (GITHUB, f"{GITHUB}/issues/new?", ["title", "body"]),
        (GITLAB, f"{GITLAB}-/issues/new?", ["issue[title]", "issue[description]"]),
    ],
)
def test_an_issue_is_filled_in(repository, start, fields):
    """A host that can fill in a new issue is told the page, in the words that it knows."""
    uri = repository_links.issue_address(repository, "Layers & more", "https://docs.example/layers.html")
    told = parse_qs(urlsplit(uri).query)

    assert uri.startswith(start)
    assert list(told) == fields
    assert told[fields[0]] == ["Did not work: Layers & more"]
    assert told[fields[1]][0].startswith("Page: https://docs.example/layers.html\n\n")


def test_a_host_that_is_not_known_has_a_list_of_issues():
    """Where it is not known how an issue is filled in, the link leads to all of them."""
    assert repository_links.issue_address(OTHER, "Layers", "layers") == f"{OTHER}/issues"
    assert repository_links.find_host("https://notgithub.example.org/github/x") is None


def test_no_address_of_an_issue_is_too_long():
    """However long a title is, in whatever letters, a host takes the address, with what a script adds for a block."""
    assert len(repository_links.issue_address(GITHUB, "层" * 500, "https://docs.example/" + "a" * 200)) + 800 * 3 < 8000


def test_a_page_and_its_blocks_lead_to_an_issue(site):
    """A page ends with a link to an issue about it, and each of its blocks leads there."""
    site.write("conf.py", f'{CONF}\ndrydock_repository = "{GITHUB}"\n')
    built = site.build()
    html = built.text("first.html")

    assert built.warnings == []
    assert link(html).startswith(f"{GITHUB}/issues/new?title=Did+not+work%3A+first&body=Page%3A+first")
    assert html.count('<a class="drydock-report" href="#drydock-wrong">did not work?</a>') == 1
    assert "<h1>first" in html  # and nothing of the page is escaped
    assert "did not work" not in built.text("first.md")


def test_a_block_leads_nowhere_where_nothing_is_filled_in(site):
    """On a host that is not known a page has its link, and a block, which could not be told of there, has none."""
    site.write("conf.py", f'{CONF}\ndrydock_repository = "{OTHER}"\n')
    html = site.build().text("first.html")

    assert link(html) == f"{OTHER}/issues"
    assert "did not work?</a>" not in html


def test_nothing_is_shown_without_a_repository(site):
    """Where the repository is not known, nothing leads to it."""
    assert "drydock-wrong" not in site.build().text("first.html")


def test_other_builders_lead_nowhere(site):
    """A format that publishes no files has no links to an issue."""
    site.write("conf.py", f'{CONF}\ndrydock_repository = "{GITHUB}"\n')

    assert "did not work" not in site.build("text").text("first.txt")


def test_a_repository_is_an_address(site):
    """What git clones from is no address that a reader could open."""
    site.write("conf.py", f'{CONF}\ndrydock_repository = "git@github.com:someone/drydock.git"\n')

    with pytest.raises(ConfigError, match="not an address such as https"):
        site.build()


@pytest.mark.parametrize(("repository", "to_edit"), [(GITHUB, f"{GITHUB}/edit/main"), (GITLAB, f"{GITLAB}-/edit/main")])
def test_edit_links_lead_to_what_a_page_is_made_from(own_settings, monkeypatch, repository, to_edit):
    """A page leads to its source: that of an example to its README, the changelog to its text, a list to none."""
    monkeypatch.setenv("DRYDOCK_REPOSITORY", repository)
    own_settings.write("docs/about/changelog.md", "# Changes\n")
    built = own_settings.build()

    assert f'href="{to_edit}/docs/first.md"' in built.text("first.html")
    assert f'href="{to_edit}/examples/greeting/README.md"' in built.text("examples/greeting.html")
    assert f'href="{to_edit}/CHANGELOG.md"' in built.text("about/changelog.html")
    assert "/edit/" not in built.text("examples/index.html")
    assert "/edit/" not in built.text("404.html")


def test_a_host_that_is_not_known_has_no_edit_links(own_settings, monkeypatch):
    """The theme would warn of a repository that it does not know, and fail the build."""
    monkeypatch.setenv("DRYDOCK_REPOSITORY", OTHER)
    built = own_settings.build()

    assert built.warnings == []
    assert "edit-this-page" not in built.text("first.html")


def test_pages_that_are_not_in_the_repository_have_no_edit_links(own_settings, monkeypatch, tmp_path_factory):
    """A docs folder that is a link to another place builds, and its pages lead to no source."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "docs"
    (own_settings.top / "docs").rename(elsewhere)
    (own_settings.top / "docs").symlink_to(elsewhere)
    monkeypatch.setenv("DRYDOCK_REPOSITORY", GITHUB)
    built = own_settings.build()

    assert "/edit/" not in built.text("first.html")
    assert f'href="{GITHUB}/edit/main/examples/greeting/README.md"' in built.text("examples/greeting.html")
