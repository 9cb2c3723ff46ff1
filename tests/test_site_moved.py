"""Pages that have moved: the page in the place of an old one, and lists that do not hold."""

from __future__ import annotations

import pytest
from test_site import site

from drydock import ROOT
from drydock.site.outputs import moved

__all__ = ["site"]

LIST = """
"old/errors" = "new"
"old/errors#disk" = "deeper/disk#full"
"""


@pytest.fixture
def library(site):
    """Return a site with a page below another one's old place."""
    site.page("new", "New & better.\n\n:::{example} greeting/Dockerfile\n:::")
    site.write("docs/deeper/disk.md", "---\norphan: true\n---\n\n# Disk\n\n## Full\n\nIt is.\n")
    return site


def test_an_old_page_leads_to_the_new_one(library):
    """An old page's place, at another depth, has a page that leads on, with no script in it and none in the sitemap."""
    library.write("docs/moved.toml", LIST)
    built = library.build()
    html = built.text("old/errors.html")

    assert built.warnings == []
    assert '<noscript><meta http-equiv="refresh" content="0; url=../new.html"></noscript>' in html
    assert '<script src="../_static/moved.js"></script>' in html
    assert html.count("<script") == 1
    assert '<a href="../new.html">new</a>' in html
    assert '<a id="disk" href="../deeper/disk.html#full">disk</a>' in html
    assert "old/errors" not in built.text("llms.txt")


def test_a_list_without_lines_writes_nothing(library):
    """Where nothing moved, nothing is written."""
    before = sorted(path.name for path in library.build().out.rglob("*.html"))
    library.write("docs/moved.toml", "# none\n")

    assert sorted(path.name for path in library.build().out.rglob("*.html")) == before


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('"old" = "nowhere"', "there is no page nowhere"),
        ('"old" = "deeper/disk#empty"', "deeper/disk has no section empty"),
        ('"first" = "new"', "there is a page first"),
        ('"old#part" = "new"', "there is no line for all of 'old'"),
        ('"old" = ["new"]', "it is to be one text by another"),
        ('"old" = ', "Invalid value"),
    ],
)
def test_a_line_that_does_not_hold_is_reported(library, line, problem):
    """A line that leads to nothing, or from a page that is there, is reported in each build, and breaks none."""
    library.write("docs/moved.toml", line)
    for built in (library.build(), library.build()):
        [warning] = built.warnings

        assert warning.startswith("docs/moved.toml:1: WARNING: ")
        assert problem in warning
    assert "<h1>first" in built.text("first.html")


def test_the_list_of_the_repository_is_one():
    """The site's own list is read."""
    assert all(isinstance(new, str) for new in moved.load(ROOT / "docs").values())
