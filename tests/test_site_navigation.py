"""The list of all pages beside each page."""

from __future__ import annotations

import json

import pytest
from bs4 import BeautifulSoup
from sphinx.environment.adapters import toctree

#: Keeps the theme's own list for each page, which it makes before ours takes its place.
KEEP = """

def _keep(app, pagename, templatename, context, doctree):
    import json
    from furo import _compute_navigation_tree
    kept = app.outdir / "theirs.json"
    known = json.loads(kept.read_text()) if kept.is_file() else {}
    known[pagename] = _compute_navigation_tree(context)
    kept.write_text(json.dumps(known))


def setup(app):
    app.connect("html-page-context", _keep, priority=399)
"""
#: A name of a page that would be attributes of a link, if it was not escaped.
QUOTED = 'x" onmouseover="alert(1)" y="z'
TREE = """\
# Top

```{toctree}
:caption: Learn & see
first
deep/er
two
x" onmouseover="alert(1)" y="z
Elsewhere <https://example.org/a?b=c&d=e>
self
```

```{toctree}
:hidden:
examples/index
genindex
modindex
search
```
"""


def plain(html):
    """Return a list's elements, without the class of `ul`, which no rule asks for, and in no order of classes."""
    tree = BeautifulSoup(html, "html.parser")
    for element in tree.select("[class]"):
        element["class"] = sorted(element["class"])
    for element in tree.select("ul"):
        del element["class"]
    return tree.prettify().splitlines()


@pytest.fixture
def deep(own_settings):
    """A site with pages on three levels, one of them twice, and what else a list may name."""
    own_settings.page("first", "One.")
    own_settings.write("docs/deep/er.md", "# Of `code` & *more*\n\n## A\n\n```{toctree}\nstill/deeper\n../first\n```\n")
    own_settings.write("docs/deep/still/deeper.md", "# Deeper\n\nTwo.\n")
    own_settings.write("docs/two.md", "# Two\n\nOne.\n\n# Headings\n\nTwo.\n")
    own_settings.write(f"docs/{QUOTED}.md", "# Quoted\n\nThree.\n")
    own_settings.write("docs/index.md", TREE)
    return own_settings


def test_each_page_has_the_themes_list(deep):
    """Ours is, for every page, what the theme would have made: links, marks of where one is, boxes that unfold."""
    conf = deep.top / "conf.py"
    conf.write_text(conf.read_text() + KEEP)
    built = deep.build()
    theirs = json.loads(built.text("theirs.json"))

    assert {"index", "first", "deep/er", "deep/still/deeper", "examples/greeting", "search"} <= set(theirs)
    del theirs["404"]  # its links are made otherwise, later than the theme's list could be kept
    for page, listed in theirs.items():
        ours = BeautifulSoup(built.text(f"{page}.html"), "html.parser").select_one(".sidebar-tree")
        assert plain(ours.decode_contents().strip()) == plain(listed), page


def test_marks(deep):
    """Where a page is listed twice, the way to each is marked, and the last of them is where one is."""
    tree = BeautifulSoup(deep.build().text("first.html"), "html.parser").select_one(".sidebar-tree")

    assert [link.text for link in tree.select(".current > a")] == ["first", "Of code & more", "first"]
    assert [link["href"] for link in tree.select(".current-page > a")] == ["#"]
    assert len(tree.select("input:checked, input[checked]")) == 1


def test_a_page_that_is_missing(deep):
    """The page that a host shows for another's address has links from the top of the site."""
    tree = BeautifulSoup(deep.build().text("404.html"), "html.parser").select_one(".sidebar-tree")

    assert tree.select_one("a")["href"] == "/first.html"
    assert not tree.select("li.current")


def test_a_name_with_quotes_is_escaped(deep):
    """No name of a page adds an attribute, in the navigation or in the head; its links lead to it."""
    built = deep.build()

    for name in ("first.html", f"{QUOTED}.html"):
        tree = BeautifulSoup(built.text(name), "html.parser")
        assert not tree.select("[onmouseover]")
    [link] = tree.select('link[type="text/markdown"]')
    assert link["href"] == "x%22%20onmouseover%3D%22alert%281%29%22%20y%3D%22z.md"


def test_a_new_title_is_in_the_navigation_of_each_page(deep):
    """A build that reads one page writes all others too, if the page's title changed."""
    deep.build()
    deep.write("docs/two.md", "# Renamed\n\nOne.\n")
    built = deep.build()

    assert built.read == ["two"]
    assert "Renamed" in built.text("first.html")


def test_the_tree_is_resolved_once(deep, monkeypatch):
    """The work does not grow with the square of the pages: a page more resolves no tree more."""
    copied = []
    real = toctree._toctree_copy
    monkeypatch.setattr(toctree, "_toctree_copy", lambda *args: copied.append(args) or real(*args))
    deep.build()
    first = len(copied)
    for number in range(10):
        deep.write(f"docs/more{number}.md", "---\norphan: true\n---\n\n# More\n")
    copied.clear()
    built = deep.build()

    assert len(built.written) >= 10
    assert 0 < len(copied) <= first
