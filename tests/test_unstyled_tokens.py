"""Highlighted code without marks that no style asks for."""

from __future__ import annotations

import html
import re

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.styles import get_style_by_name
from pygments.token import Text, Whitespace

from drydock.site.blocks.lexer import UNSTYLED, UnstyledFilter
from drydock.site.outputs.weight import merge_rules


def highlighted(text, language):
    """Return `text` as HTML, through the filter."""
    return highlight(text, get_lexer_by_name(language, filters=[UnstyledFilter()]), HtmlFormatter(nowrap=True))


def test_spaces_and_plain_words_have_no_mark():
    """Only what has its own colour is marked."""
    assert highlighted("shout(  'oh' )\n", "python") == "shout(  <span class=\"s1\">'oh'</span> )\n"


def test_a_type_of_one_lexer_looks_like_its_parent():
    """YAML has token types for a bracket and for a plain value that no style sheet knows."""
    assert highlighted("ports: [8000]\n", "yaml") == '<span class="nt">ports</span>: [<span class="nv">8000</span>]\n'


def test_nothing_is_lost(pytestconfig):
    """The text of a block stays the same."""
    text = (pytestconfig.rootpath / "examples/go-multistage/main.go").read_text()

    assert html.unescape(re.sub(r"<[^>]+>", "", highlighted(text, "go"))) == text


def test_unstyled_tokens_look_like_text():
    """They do in both styles of the theme. A space has no visible colour as long as it has no background."""
    for name in ("a11y-light", "native"):
        style = get_style_by_name(name)
        assert style.style_for_token(Whitespace)["bgcolor"] is None
        assert style.style_for_token(Whitespace)["underline"] is False
        for kind in UNSTYLED - {Whitespace}:
            assert style.style_for_token(kind) == style.style_for_token(Text), (name, kind)


def test_blocks_of_a_page_are_filtered(site):
    """A Dockerfile, a transcript, and a Python file are shown without marks around spaces and plain words."""
    site.example("greeting", {"app.py": "shout('oh')\n", "transcripts/run.console": "$ echo a\na\n"})
    site.page("first", ":::{example} greeting/app.py\n:::\n\n:::{transcript} greeting/run\n:::")
    page = site.build().text("first.html")

    assert 'shout(<span class="s1">' in page
    assert not re.search(r'<span class="[wpn]">', page)


def test_merged_rules_keep_every_look():
    """Each token type has the look that Pygments gives it, in one rule per look, also within a media query."""
    rules = HtmlFormatter(style="native").get_token_style_defs(".x")
    css = "\n".join([*rules, "@media print {", *rules, "}", ".x span.linenos { color: red }"])
    merged = merge_rules(css).splitlines()
    halfway = merged.index("@media print {")
    looks = {}
    for rule in merged[:halfway]:
        kinds, look = re.fullmatch(r"\.x :is\((.*)\) \{ (.*) \}", rule).groups()
        looks |= dict.fromkeys(kinds.split(", "), look)

    assert looks == dict(re.fullmatch(r"\.x (\.\w+) \{ (.*) \} /\*.*", rule).groups() for rule in rules)
    assert merged[:halfway] == merged[halfway + 1 : -1]
    assert merged[-1] == "}"
    assert halfway == len(set(looks.values()))
