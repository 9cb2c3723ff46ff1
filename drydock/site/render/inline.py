"""Inline markup of READMEs, docstrings, and evidence: code in backticks is code, a link is its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from docutils import nodes
from markupsafe import Markup, escape

#: Excludes "[" so that matching stays linear.
_LINK = re.compile(r"\[([^\[\]]+)\]\([^)\[]*\)")


def inline_nodes(text: str) -> list[nodes.Node]:
    """Return the sentence `text` as nodes."""
    return [nodes.literal("", part) if code else nodes.Text(part) for part, code in _split_code(text)]


@cache  # thousands of places have the same marks and badges
def to_html(text: str) -> Markup:
    """Return the sentence `text` as HTML."""
    return Markup("".join(_code_html(part) if is_code else escape(part) for part, is_code in _split_code(text)))


def _code_html(text: str) -> str:
    return f'<code class="docutils literal notranslate">{escape(text)}</code>'


@cache
def to_markdown(text: str) -> str:
    """Return the sentence `text` as Markdown, in one line."""
    return "".join(code_span(part) if is_code else part.replace("\n", " ") for part, is_code in _split_code(text))


def escape_markdown(text: str) -> str:
    """Return the sentence `text` as Markdown that a parser reads back as that sentence: no HTML, no other markup."""
    return "".join(
        code_span(part) if is_code else re.sub(r"([!#$&*<>\[\\\]^_`{|}~])", r"\\\1", part)
        for part, is_code in _split_code(text)
    )


def code_span(code: str) -> str:
    """Return `code` as Markdown."""
    return f"`{code}`" if "`" not in code else f"`` {code} ``"


def to_text(text: str) -> str:
    """Return the sentence `text` without its marks."""
    return "".join(part for part, _ in _split_code(text))


def _split_code(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a sentence in turn, each with whether it is code."""
    parts = re.split("(`+)", _LINK.sub(r"\1", text))  # words and ticks in turn
    last = {ticks: index for index, ticks in enumerate(parts) if index % 2}
    start, at = 0, 1
    while at < len(parts):
        if last[parts[at]] > at:
            end = parts.index(parts[at], at + 1)
            yield from _join_words(parts[start:at])
            yield "".join(parts[at + 1 : end]).strip(), True
            start, at = end + 1, end
        at += 2
    yield from _join_words(parts[start:])


def _join_words(parts: list[str]) -> Iterator[tuple[str, bool]]:
    if any(parts):
        yield "".join(parts), False


@dataclass(frozen=True)
class InlineText:
    """A sentence with a tooltip or a class.

    :ivar facts: the tooltip; formats without tooltips leave it out.
    :ivar kind: the class.
    """

    text: str
    facts: str = ""
    kind: str = ""

    def html(self) -> Markup:
        """Return it as HTML."""
        return _inline_html(self)

    def nodes(self) -> list[nodes.Node]:
        """Return it as nodes."""
        classes = self.kind.split()
        if self.facts:
            tooltip = nodes.abbreviation("", "", *inline_nodes(self.text), explanation=self.facts)
            tooltip["drydock_tooltip"] = True
            tooltip["classes"] = classes
            return [tooltip]
        return [nodes.inline("", "", *inline_nodes(self.text), classes=classes)] if classes else inline_nodes(self.text)


@cache
def _inline_html(inline: InlineText) -> Markup:
    if not (inline.facts or inline.kind):
        return to_html(inline.text)
    name, title = ("abbr", f' title="{escape(inline.facts)}"') if inline.facts else ("span", "")
    kind = f' class="{escape(inline.kind)}"' if inline.kind else ""
    return Markup(f"<{name}{kind}{title}>{to_html(inline.text)}</{name}>")
