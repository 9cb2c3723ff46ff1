"""Sentences of READMEs, docstrings and tables of evidence: code in backticks is code, a link is its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from docutils import nodes
from markupsafe import Markup, escape

#: No part of it may hold what begins a link: it would be looked through again for each of them.
_LINK = re.compile(r"\[([^\[\]]+)\]\([^)\[]*\)")


def inline_nodes(text: str) -> list[nodes.Node]:
    """Return the sentence `text` as nodes."""
    return [nodes.literal("", part) if code else nodes.Text(part) for part, code in _parts(text)]


@cache  # the same marks and badges stand in thousands of places
def to_html(text: str) -> Markup:
    """Return the sentence `text` as HTML."""
    return Markup("".join(_code(part) if is_code else escape(part) for part, is_code in _parts(text)))


def _code(text: str) -> str:
    return f'<code class="docutils literal notranslate">{escape(text)}</code>'


@cache
def to_markdown(text: str) -> str:
    """Return the sentence `text` as Markdown, in one line."""
    return "".join(backticked(part) if is_code else part.replace("\n", " ") for part, is_code in _parts(text))


def escape_markdown(text: str) -> str:
    """Return the sentence `text` as Markdown that a parser reads back as that sentence: no HTML, no other markup."""
    return "".join(
        backticked(part) if is_code else re.sub(r"([!#$&*<>\[\\\]^_`{|}~])", r"\\\1", part)
        for part, is_code in _parts(text)
    )


def backticked(code: str) -> str:
    """Return `code` as Markdown."""
    return f"`{code}`" if "`" not in code else f"`` {code} ``"


def to_text(text: str) -> str:
    """Return the sentence `text` without its marks."""
    return "".join(part for part, _ in _parts(text))


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a sentence in turn, each with whether it is code."""
    parts = re.split("(`+)", _LINK.sub(r"\1", text))  # words and ticks in turn
    last = {ticks: index for index, ticks in enumerate(parts) if index % 2}
    said, at = 0, 1
    while at < len(parts):
        if last[parts[at]] > at:
            end = parts.index(parts[at], at + 1)
            yield from _words(parts[said:at])
            yield "".join(parts[at + 1 : end]).strip(), True
            said, at = end + 1, end
        at += 2
    yield from _words(parts[said:])


def _words(parts: list[str]) -> Iterator[tuple[str, bool]]:
    if any(parts):
        yield "".join(parts), False


@dataclass(frozen=True)
class InlineText:
    """A sentence with a tooltip, or with a class of its own.

    :ivar facts: the tooltip; where a builder has none, only the text stays.
    """

    text: str
    facts: str = ""
    kind: str = ""

    def html(self) -> Markup:
        """Return it as HTML."""
        return _html(self)

    def nodes(self) -> list[nodes.Node]:
        """Return it as nodes."""
        classes = self.kind.split()
        if self.facts:
            told = nodes.abbreviation("", "", *inline_nodes(self.text), explanation=self.facts, drydock_told=True)
            told["classes"] = classes
            return [told]
        return [nodes.inline("", "", *inline_nodes(self.text), classes=classes)] if classes else inline_nodes(self.text)


@cache
def _html(said: InlineText) -> Markup:
    if not (said.facts or said.kind):
        return to_html(said.text)
    name, title = ("abbr", f' title="{escape(said.facts)}"') if said.facts else ("span", "")
    kind = f' class="{escape(said.kind)}"' if said.kind else ""
    return Markup(f"<{name}{kind}{title}>{to_html(said.text)}</{name}>")
