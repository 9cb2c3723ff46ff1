"""What lies beside the pages: Markdown, the list for language models, the sitemap, headers, and the search's index."""

from __future__ import annotations

import json
import re
import struct
import xml.etree.ElementTree as ET
import zipfile
from types import SimpleNamespace

import pytest
from docutils.utils import new_document

from drydock import ROOT
from drydock.model.evidence import Claim
from drydock.site.blocks.captions import Badge, Caption
from drydock.site.blocks.fold import fold_ranges
from drydock.site.outputs.markdown import Page, fenced
from drydock.site.outputs.metadata import CARD
from drydock.site.render.deferred import defer
from drydock.site.render.inline import InlineText
from drydock.site.render.tables import TableData
from drydock.site.results.claims import PageProof


def test_a_page_as_markdown(site):
    """A page lies beside itself as Markdown, with its blocks, where they come from, and links to pages as Markdown."""
    site.page("other", "Why?\n\n- a *list* of `code`\n- **more**\n\n| a | b |\n| --- | --- |\n| c\\|d | e |")
    built = site.build()
    first, other = built.text("first.md"), built.text("other.md")

    assert first.startswith("# first\n\n[greeting/Dockerfile](_examples/greeting/Dockerfile)\n\n```docker\n")
    assert "```\n\nDocker 28.5 · overlay2 image store · stand-ins\n" in first
    assert '```docker\nFROM debian:trixie-slim\nUSER 10001\nCMD ["id"]\n```' in first
    assert "- a *list* of `code`\n- **more**" in other
    assert "[The greeting](greeting.md)" in built.text("examples/index.md")
    assert "- [first](first.md)" in built.text("index.md")
    assert "| a | b |\n| --- | --- |\n| c\\|d | e |" in other


def test_a_table_of_evidence_as_markdown(site):
    """What is drawn or made when a page is written is in its Markdown as well."""
    site.record("greeting", claims={"a": Claim("It `greets`.", "passed")})

    assert "| It `greets`. | ✓ upheld |" in site.build().text("examples/greeting.md")


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (Caption("hello", "", "two `layers`, [told](of.md)"), "hello · two layers, told"),
        (Caption("hello", "", ""), "hello"),
        (Badge(InlineText("Docker 29 · amd64", "a store", "badge")), "Docker 29 · amd64"),
        (
            TableData(
                ("", "Wh`a`t"),
                ((InlineText("one"), InlineText("`a|b`\nc")), (InlineText(""), InlineText("`` ` ``", "told"))),
                "kind",
                stub=True,
            ),
            "|  | Wh`a`t |\n| --- | --- |\n| one | `a\\|b` c |\n|  | `` ` `` |",
        ),
        (PageProof("hello", "1 of 2", ("It `runs`.", "It\nstops."), 1), "hello: 1 of 2\n\n- It `runs`.\n- It stops."),
    ],
    ids=["caption", "bare-caption", "badge", "table", "claims"],
)
def test_a_deferred_part_as_markdown(part, text):
    """A part that is rendered when a page is written is in the page's Markdown as text."""
    doctree = new_document("page")
    doctree += defer(part)

    assert Page(SimpleNamespace(builder=None, env=None), "page").text(doctree) == f"{text}\n"


def test_a_fence_is_longer_than_what_it_holds():
    """A block that holds a fence is not closed by it."""
    assert fenced("```\nx\n```", "text") == "````text\n```\nx\n```\n````"


def test_list_for_language_models(site):
    """The pages are listed by chapter, each with its first paragraph."""
    site.page("first", "What is it?\n\n:::{example} greeting/Dockerfile\n:::")
    listed = site.build().text("llms.txt")

    assert "- [first](first.md): What is it?" in listed
    assert "- [The greeting](examples/greeting.md): Its idea." in listed


@pytest.mark.parametrize("address", ["", "https://docs.example/book/"])
def test_addresses_only_where_they_are_known(own_settings, address, monkeypatch):
    """Canonical links and a sitemap name the site's address, and are left out where that is not known."""
    monkeypatch.delenv("READTHEDOCS_CANONICAL_URL", raising=False)
    monkeypatch.setenv("DRYDOCK_URL", address)
    built = own_settings.build()
    html, missing = built.text("first.html"), built.text("404.html")

    assert built.warnings == []
    assert ('rel="canonical" href="https://docs.example/book/first.html"' in html) == bool(address)
    assert (built.out / "sitemap.xml").is_file() == bool(address)
    assert f'href="{"/book" if address else ""}/_static/drydock.css' in missing


def test_policy_names_the_inline_script(own_settings):
    """The published policy lets the theme's own script run by its hash, and no other inline script."""
    policy = own_settings.build().text("_headers")

    assert "script-src 'self' 'sha256-" in policy
    assert policy.count("sha256-") == 1


def test_policy_allows_no_script_of_a_page(own_settings):
    """A script that the front page itself holds, whatever let it in, isn't allowed."""
    before = own_settings.build().text("_headers")
    index = (own_settings.top / "docs/index.md").read_text()
    own_settings.write("docs/index.md", f"{index}\n<script>alert(1)</script>\n")
    built = own_settings.build()

    assert "<script>alert(1)</script>" in built.text("index.html")
    assert built.text("_headers") == before


def test_head_describes_the_page(own_settings):
    """A page's head has its first paragraph, as text."""
    own_settings.page("first", 'Is it "so"?\n\n:::{example} greeting/Dockerfile\n:::')

    assert 'property="og:description" content="Is it &#34;so&#34;?"' in own_settings.build().text("first.html")


@pytest.mark.parametrize("address", ["", "https://docs.example/book/"])
def test_a_link_to_a_page_is_shown_with_a_picture(own_settings, address, monkeypatch):
    """Where the site's address is known, a page names a picture by it, with what it says and how large it is."""
    monkeypatch.delenv("READTHEDOCS_CANONICAL_URL", raising=False)
    monkeypatch.setenv("DRYDOCK_URL", address)
    built = own_settings.build()
    facts = dict(
        re.findall(r'<meta property="((?:og:image|twitter)[\w:]*)" content="([^"]+)">', built.text("first.html"))
    )
    picture = (built.out / "_static/card.png").read_bytes()

    assert built.warnings == []
    assert set(facts) == ({*CARD} if address else set())
    assert facts.get("og:image", "") == (f"{address}_static/card.png" if address else "")
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24]) == (int(CARD["og:image:width"]), int(CARD["og:image:height"]))
    assert len(picture) < 100_000


def test_the_picture_says_nothing_that_ages():
    """The picture has a sentence, which the front page has, and no number; it is of the size that is told."""
    drawn = ET.parse(ROOT / "docs/card.svg").getroot()
    said = " ".join(text for each in drawn.iter("{http://www.w3.org/2000/svg}text") for text in each.itertext())

    assert not re.search(r"\d", said)
    assert said.removeprefix("Drydock ") in (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert CARD["og:image:alt"] == said.replace("Drydock", "Drydock:")
    assert (drawn.get("width"), drawn.get("height")) == (CARD["og:image:width"], CARD["og:image:height"])


def test_index_of_the_search(site):
    """The search knows a command of a page, and not what only an example's own page shows."""
    site.page("first", ":::{transcript} greeting/run\n:::")
    text = site.build().text("drydock-search.js")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))
    page = index["docnames"].index("first")

    assert page in index["terms"]["docker"]
    assert page in index["terms"]["alert"]  # of what it printed
    assert "trixi" not in index["terms"]  # of its Dockerfile
    assert set(index) == {"docnames", "titles", "alltitles", "terms"}


def test_marks_that_no_style_sheet_asks_for(site):
    """Words of inline code and the text of a link stand without marks of their own."""
    site.page("first", "Type `docker run`.")
    built = site.build()

    assert '<code class="docutils literal notranslate">docker run</code>' in built.text("first.html")
    assert '<a class="reference internal" href="greeting.html">The greeting</a>' in built.text("examples/index.html")


def test_examples_are_grouped_by_what_tells_of_them(site):
    """The list of examples has the page that shows an example above it, also after another page does."""
    before = site.build().text("examples/index.html")
    site.write("docs/how-to/tell.md", "# Tell\n\n:::{example} greeting/Dockerfile\n:::\n")
    site.write("docs/index.md", "# Top\n\n```{toctree}\nfirst\nhow-to/tell\nexamples/index\n```\n")
    after = site.build().text("examples/index.html")

    assert 'drydock-topic-name"><a class="reference internal" href="../first.html">first</a>' in before
    assert 'drydock-topic-name"><a class="reference internal" href="../how-to/tell.html">Tell</a>' in after


def test_a_long_transcript_folds(site):
    """A transcript of many lines is shown in part at first, and a file never is."""
    lines = "".join(f"line {number}\n" for number in range(60))
    site.example("greeting", {"transcripts/long.console": f"$ cat lines\n{lines}$ true\n", "lines": lines})
    site.page("first", ":::{transcript} greeting/long\n:::")
    site.page("second", ":::{example} greeting/lines\n:::")
    built = site.build()
    html = built.text("first.html")

    assert '<span class="drydock-rest" hidden="until-found">' in html
    assert 'data-more="47 more lines"' in html
    assert "line 59" in built.text("first.md")
    assert "drydock-fold" not in built.text("second.html")


@pytest.mark.parametrize(
    ("steps", "folded"),
    [
        ([(32, False)], []),  # not long
        ([(100, False)], []),  # one step, which is the last one
        ([(20, False), (20, False)], [(14, 20)]),
        ([(20, False), (10, True), (30, False), (2, False)], [(14, 20), (30, 60)]),  # what failed is seen
        ([(20, True), (20, True)], []),
        ([(16, False), (20, False)], []),  # two lines are not worth a click
    ],
)
def test_what_is_folded(steps, folded):
    """The beginning, the last step and what failed are never folded."""
    assert fold_ranges(steps) == folded


TABS = """
::::{tab-set}
:::{tab-item} One
First.

```{example} greeting/Dockerfile
```
:::
:::{tab-item} Two
Zebras.
:::
::::
"""


def test_tabs_in_every_form(own_settings):
    """A page's tabs are all in its Markdown and in the index of the search; their files come with them alone."""
    own_settings.page("first", TABS)
    own_settings.page("second", "None.")
    built = own_settings.build()
    html, index = built.text("first.html"), built.text("drydock-search.js")

    assert "**One**\n\nFirst.\n\n[greeting/Dockerfile]" in built.text("first.md")
    assert "stand-ins\n\n**Two**\n\nZebras." in built.text("first.md")
    assert '"zebra"' in index
    assert html.index("choice.js") < html.index("<body") < html.index("design-tabs.js")
    assert "sphinx-design.min.css" not in html
    assert "choice.js" not in built.text("second.html")
    assert "design-tabs.js" not in built.text("second.html")


def test_cards_are_loaded_where_they_are(own_settings):
    """The files of sphinx-design come with a page that has its parts, and with no other."""
    own_settings.page("cards", "::::{grid}\n:::{grid-item-card} One\nWord.\n:::\n::::")
    built = own_settings.build()

    assert "sphinx-design" in built.text("cards.html")
    assert "sphinx-design" not in built.text("first.html")


def test_a_dropdown_needs_no_style_sheet(own_settings):
    """The site's own style sheet has the rules for a dropdown."""
    own_settings.page("first", ":::{dropdown} Solution\nZebras.\n:::")
    html = own_settings.build().text("first.html")

    assert '<span class="sd-summary-text">Solution</span>' in html
    assert "sphinx-design.min.css" not in html


EXERCISE = """
[exercise]
page = "first"
path = "Dockerfile"
old = "USER 10001"
new = "USER 0"
task = "Who runs it? Not `root`."
claims = ["test_x"]
"""


def test_an_exercise_is_shown_with_its_files(site):
    """A page shows its exercise, and the files that it leads to have the fault, which the example has not."""
    site.write("tests/examples/greeting.toml", EXERCISE)
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n:::{exercise}\n:::")
    built = site.build()
    html = built.text("first.html")
    files = {
        name: zipfile.ZipFile(built.out / "_examples" / f"{name}.zip").read("greeting/Dockerfile").decode()
        for name in ("greeting", "greeting-exercise")
    }

    assert built.warnings == []
    assert "Who runs it? Not <code" in html
    assert 'href="_examples/greeting-exercise.zip"' in html
    assert "`nox -s exercise -- check greeting FOLDER`" in built.text("first.md")
    assert ("USER 0\n" in files["greeting-exercise"], "USER 0\n" in files["greeting"]) == (True, False)


def test_a_page_without_an_exercise_cannot_show_one(site):
    """An author who asks for an exercise that there is not is told where."""
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n:::{exercise}\n:::")
    [warning] = site.build().warnings

    assert "first.md:6" in warning
    assert "no example has an exercise for first" in warning


def test_the_site_as_a_zip(site):
    """The zip has pages, styles, and search; no page in it links the zip; equal sites give equal bytes."""
    site.write("docs/index.md", "# Top\n\n:::{offline}\n:::\n\n```{toctree}\nfirst\nexamples/index\n```\n")
    built = site.build()
    first = (built.out / "drydock.zip").read_bytes()
    line = r'href="drydock.zip">[^<]*</a><span class="drydock-zip-size"> \(([\d.]+)'
    size = re.search(line, built.text("index.html"))
    archive = zipfile.ZipFile(built.out / "drydock.zip")
    names = set(archive.namelist())
    again = site.build()

    assert built.warnings == []
    assert float(size[1]) > 0
    assert "[download the whole site as a zip](drydock.zip)" in built.text("index.md")
    assert {"drydock/first.html", "drydock/drydock-search.js", "drydock/_static/pygments.css"} <= set(
        archive.namelist()
    )
    assert "drydock/_examples/greeting/Dockerfile" in names
    assert not {"drydock/drydock.zip", "drydock/_headers", "drydock/.buildinfo"} & names
    assert b"drydock.zip" not in archive.read("drydock/index.html")
    assert (again.out / "drydock.zip").read_bytes() == first


def test_a_long_list_as_markdown_is_whole(site):
    """No item of a list is dropped, however many there are."""
    site.page("long", "\n".join(f"{number}. item" for number in range(1, 1002)))

    assert "\n1001. item\n" in site.build().text("long.md")


def test_code_over_two_lines_stays_in_its_row():
    """A line end within code doesn't end the row of a table."""
    table = TableData(("What",), ((InlineText("`a\nb`"),),), "kind")

    assert table.markdown(None, "page") == "| What |\n| --- |\n| `a b` |"


def test_markdown_in_folders(site):
    """Where each page is a folder, its Markdown is in that folder, and its links lead to other pages' Markdown."""
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n{doc}`Two <second>`")
    site.page("second", "{doc}`top <index>`\n\n[web](https://example.org/)")
    built = site.build("dirhtml")

    assert "[Two](../second/index.md)" in built.text("first/index.md")
    assert "(../_examples/greeting/Dockerfile)" in built.text("first/index.md")
    assert "[top](../index.md)\n\n[web](https://example.org/)" in built.text("second/index.md")
    assert "(second/index.md)" in built.text("index.md")
    assert 'title="Markdown" href="index.md"' in built.text("first/index.html")
    assert "](first/index.md)" in built.text("llms.txt")
