"""Terms of the glossary: what opens where a page uses one, and what keeps up with the glossary."""

from __future__ import annotations

import json
import re

import pytest

GLOSSARY = """\
A {term}`layer` is below.

:::{glossary}
layer
  What one `RUN` makes, as in `sha256:...`; see first. It is not told.

image
picture
  Several {term}`layers <layer>` & settings. And more.
:::"""
USES = "Each {term}`image` has a {term}`layer`, and a {term}`picture` has {term}`many *layers* <layer>`."


@pytest.fixture
def library(site):
    """Return a site with a glossary, and a page below it that uses its terms."""
    site.page("glossary", GLOSSARY)
    site.write("docs/deeper/uses.md", f"---\norphan: true\n---\n\n# Uses\n\n{USES}\n")
    return site


def terms(html):
    """Return for each term of a page its word, its sentence, and where the link after that leads."""
    found = r'<button type="button" popovertarget="(told-\d)" popovertargetaction="show">(.*?)</button>'
    shown = found + r'<span[^>]*><span popover id="(.*?)">(.*?) <a[^>]*href="(.*?)">Glossary</a></span>'
    each = re.findall(shown, html, re.DOTALL)
    assert [target for target, *_ in each] == [target for _, _, target, *_ in each]
    assert len({target for target, *_ in each}) == len(each)
    return [(word, said, uri) for _, word, _, said, uri in each]


def test_a_term_opens_its_first_sentence(library):
    """A term is a button that opens the first sentence on it, and a link to the rest; two words may have one."""
    built = library.build()
    layer = ("What one RUN makes, as in sha256:...", "../glossary.html#term-layer")
    image = "Several layers &amp; settings."

    assert built.warnings == []
    assert terms(built.text("deeper/uses.html")) == [
        ("image", image, "../glossary.html#term-image"),
        ("layer", *layer),
        ("picture", image, "../glossary.html#term-picture"),
        ("many *layers*", *layer),
    ]


def test_the_glossary_keeps_its_links(library):
    """On the page that explains a term a link leads to it."""
    html = library.build().text("glossary.html")

    assert terms(html) == []
    assert 'href="#term-layer"' in html


def test_markdown_keeps_its_links(library):
    """The form as Markdown links a term."""
    assert "[layer](../glossary.md#term-layer)" in library.build().text("deeper/uses.md")


def test_a_sentence_on_a_term_is_not_searched(library):
    """A search finds the page that explains a term, and not those that use it."""
    text = library.build().text("drydock-search.js")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))

    assert [index["docnames"][page] for page in index["terms"]["set"]] == ["glossary"]  # of "settings"
    assert index["docnames"].index("deeper/uses") in index["terms"]["layer"]


def test_a_page_keeps_up_with_the_glossary(library):
    """When the glossary says something else, the pages that use a term are written anew, and no others."""
    library.build()
    library.page("glossary", GLOSSARY.replace("Several", "Many"))
    built = library.build()

    assert terms(built.text("deeper/uses.html"))[0][1].startswith("Many layers")
    assert "deeper/uses" in built.written
    assert "first" not in built.written
    assert library.build().written == []


def test_parallel_readers_keep_what_the_glossary_says(library):
    """What is read in parallel is the same."""
    alone = library.build().text("deeper/uses.html")
    for number in range(6):
        library.page(f"other{number}", "Other.")
    (library.top / "_build").rename(library.top / "_before")

    assert library.build(parallel=2).text("deeper/uses.html") == alone
