"""Refuses characters that a page can't show as they are: control characters, invisible ones, and bidi overrides."""

from __future__ import annotations

import re
import unicodedata

from drydock.errors import MalformedError

_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


def check_characters(text: str, shown: object) -> None:
    """Check that each character of `text` can be seen, apart from spaces, tabs, and line ends.

    :param shown: the file's name for messages.
    :raises MalformedError: one can't; the message names it and its line.
    """
    hidden = _HIDDEN.search(text)
    if hidden:
        line = text.count("\n", 0, hidden.start()) + 1
        name = unicodedata.name(hidden[0], "a control character")
        raise MalformedError(shown, line, f"U+{ord(hidden[0]):04X} ({name}) can't be shown on a page; remove it")


def strip_hidden(text: str) -> str:
    """Return `text` without the characters that can't be seen."""
    return _HIDDEN.sub("", text)
