"""Bars, of which three kinds of pictures are made, and how their rows are read."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from drydock.model.evidence import Row


def number(row: Row, column: str) -> float:
    """Return the number in the `column`."""
    value = row[column]
    assert isinstance(value, int | float)
    return value


def longest(rows: Iterable[Row], column: str) -> float:
    """Return the greatest number in the `column`, which the longest bar stands for; never 0."""
    return max(number(row, column) for row in rows) or 1


def bar(label: str, value: str, share: float, *classes: str) -> Markup:
    """Return a bar with its label and value.

    :param share: its length, as a share of the longest; a bar of length 0 is not drawn, any other can be seen.
    """
    names = " ".join(f"drydock-{name}" for name in classes)
    track = Markup('<span class="drydock-track"><span class="drydock-length" style="width: {}%"></span></span>')
    return Markup(
        '<div class="drydock-bar {}"><span class="drydock-label">{}</span> <span class="drydock-value">{}</span>'
        "{}</div>"
    ).format(names, label, value, track.format(f"{100 * share:.3g}") if share else "")


def line(label: str) -> Markup:
    """Return what has no length, as a line of text."""
    return Markup('<div class="drydock-line">{}</div>').format(label)


def joined(parts: Iterable[Markup]) -> Markup:
    """Return the parts, one after the other."""
    return Markup("").join(parts)
