"""Highlighted code without the marks that no reader sees."""

# Pygments has no types.
# mypy: disable-error-code="import-untyped, misc, no-any-return"

from __future__ import annotations

from typing import Final

from pygments.formatters import HtmlFormatter
from pygments.token import STANDARD_TYPES, Name, Punctuation, Whitespace, _TokenType

#: What has the colour of all the rest in both styles of the theme, or none that could be seen.
PLAIN: Final = frozenset({Whitespace, Punctuation, Name, Name.Other})


class Formatter(HtmlFormatter):
    """Leaves words of these kinds, and spaces, as they are. They were most of the marks in the code of a page."""

    def _get_css_classes(self, ttype: _TokenType) -> str:
        """Return the class of a word of this type; where there is none, no mark is put around it.

        A type that one lexer has for itself, which no style knows, is like the next one above it.
        """
        while ttype not in STANDARD_TYPES:
            ttype = ttype.parent
        return "" if ttype in PLAIN else self._get_css_class(ttype)
