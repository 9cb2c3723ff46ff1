"""Highlighted code without the marks that no reader sees."""

from __future__ import annotations

import html
import re

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES, Text, Whitespace

from drydock.site.outputs.colours import PLAIN, Formatter


def test_spaces_and_plain_words_have_no_mark():
    """What has a colour of its own is marked, and nothing else."""
    found = highlight("shout(  'oh' )\n", get_lexer_by_name("python"), Formatter(nowrap=True))

    assert found == "shout(  <span class=\"s1\">'oh'</span> )\n"


def test_a_kind_of_one_lexer_is_like_the_one_above_it():
    """YAML has marks of its own for a bracket and for a plain value, of which no style sheet knows."""
    found = highlight("ports: [8000]\n", get_lexer_by_name("yaml"), Formatter(nowrap=True))

    assert found == '<span class="nt">ports</span>: [<span class="nv">8000</span>]\n'


def test_nothing_is_lost(pytestconfig):
    """The text of a block is what it was."""
    text = (pytestconfig.rootpath / "examples/go-multistage/main.go").read_text()
    marked = highlight(text, get_lexer_by_name("go"), Formatter(nowrap=True))

    assert html.unescape(re.sub(r"<[^>]+>", "", marked)) == text


def test_plain_kinds_have_the_colour_of_all_the_rest():
    """In both styles of the theme. Of a space no colour is seen, as long as none is behind it."""
    for name in ("a11y-light", "native"):
        style = get_style_by_name(name)
        rest = style.style_for_token(Text)
        assert style.style_for_token(Whitespace)["bgcolor"] is None
        assert style.style_for_token(Whitespace)["underline"] is False
        for kind in PLAIN - {Whitespace}:
            assert style.style_for_token(kind) == rest, (name, kind)


def test_every_other_kind_keeps_its_look():
    """In both styles of the theme, one rule for each look says what Pygments says in one for each kind."""
    for name in ("a11y-light", "native"):
        theirs, ours = {}, {}
        for rule in HtmlFormatter(style=name).get_token_style_defs(".x"):
            kind, look = re.fullmatch(r"\.x \.(\w+) \{ (.*) \} /\*.*", rule).groups()
            theirs[kind] = look
        rules = Formatter(style=name).get_token_style_defs(".x")
        for rule in rules:
            kinds, look = re.fullmatch(r"\.x :is\((.*)\) \{ (.*) \}", rule).groups()
            ours |= dict.fromkeys((kind.removeprefix(".") for kind in kinds.split(", ")), look)

        plain = {STANDARD_TYPES[kind] for kind in PLAIN}
        assert ours == {kind: look for kind, look in theirs.items() if kind not in plain}
        assert len(rules) == len(set(ours.values()))


def test_what_is_not_on_the_site_has_no_rule():
    """There are none on the site."""
    assert not any("linenos" in rule for rule in Formatter().get_linenos_style_defs())
