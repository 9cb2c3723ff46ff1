"""Highlighted code without the marks that no reader sees."""

# Pygments has no types.
# mypy: disable-error-code="import-untyped, misc, no-any-return"

from __future__ import annotations

from typing import Final

from pygments.formatters import HtmlFormatter
from pygments.token import Name, Punctuation, Whitespace, _TokenType

#: What has the colour of all the rest in both styles of the theme, or none that could be seen.
PLAIN: Final = frozenset({Whitespace, Punctuation, Name, Name.Other})


class Formatter(HtmlFormatter):
    """Leaves words of these kinds, and spaces, as they are. They would be half of all marks, and a tenth of a page."""

    def _get_css_classes(self, ttype: _TokenType) -> str:
        """Return the classes of a word of this type; where there are none, no mark is put around it."""
        return "" if ttype in PLAIN else super()._get_css_classes(ttype)
