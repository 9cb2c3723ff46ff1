"""Highlighted code without the marks that no reader sees."""

# Pygments has no types.
# mypy: disable-error-code="import-untyped, misc, no-any-return"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from pygments.formatters import HtmlFormatter
from pygments.token import STANDARD_TYPES, Name, Punctuation, Whitespace, _TokenType
from sphinx.highlighting import PygmentsBridge

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: What has the colour of all the rest in both styles of the theme, or none that could be seen.
PLAIN: Final = frozenset({Whitespace, Punctuation, Name, Name.Other})


class Formatter(HtmlFormatter):
    """Leaves words of these kinds, and spaces, as they are. They were most of the marks in the code of a page."""

    ttype2class: dict[_TokenType, str]
    class2style: dict[str, tuple[str, _TokenType, int]]
    #: Both of them, by the style and the prefix of its classes.
    _styles: ClassVar[dict[tuple[object, str], tuple[dict[_TokenType, str], dict[str, Any]]]] = {}

    def _create_stylesheet(self) -> None:
        """Work out a style once, for Sphinx makes a formatter for each block."""
        key = self.style, self.classprefix
        if key not in self._styles:
            super()._create_stylesheet()
            self._styles[key] = self.ttype2class, self.class2style
        self.ttype2class, self.class2style = self._styles[key]

    def _get_css_classes(self, ttype: _TokenType) -> str:
        """Return the class of a word of this type; where there is none, no mark is put around it.

        A type that one lexer has for itself, which no style knows, is like the next one above it.
        """
        while ttype not in STANDARD_TYPES:
            ttype = ttype.parent
        return "" if ttype in PLAIN else self._get_css_class(ttype)

    def get_token_style_defs(self, arg: Any = None) -> list[str]:
        """Return one rule for each look, with all kinds of words that have it, instead of one for each kind.

        Every page loads these rules, and most of 80 kinds look like another.
        """
        prefix = self.get_css_prefix(arg)
        looks: dict[str, list[str]] = {}
        for name, (style, ttype, _) in sorted(self.class2style.items()):
            if name and style and ttype not in PLAIN:
                looks.setdefault(style, []).append(f".{name}")
        return [f"{prefix('')}:is({', '.join(names)}) {{ {style} }}" for style, names in looks.items()]

    def get_linenos_style_defs(self) -> list[str]:
        """Return no rule for numbers of lines: there are none on the site."""
        return [rule for rule in super().get_linenos_style_defs() if "linenos" not in rule]


def setup(app: Sphinx) -> None:
    """Replace the formatter where Sphinx takes it from: no setting names another one."""
    PygmentsBridge.html_formatter = Formatter
