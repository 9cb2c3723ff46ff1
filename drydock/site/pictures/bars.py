"""Bars, which three kinds of pictures consist of, and readers for their rows."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from drydock.model.evidence import Row


def cell_number(row: Row, column: str) -> float:
    """Return the number in the `column`."""
    value = row[column]
    assert isinstance(value, int | float)
    return value


def longest_value(rows: Iterable[Row], column: str) -> float:
    """Return the greatest number in the `column`, or 1 if it is 0: the value of the longest bar."""
    return max(cell_number(row, column) for row in rows) or 1


def draw_bar(label: str, value: str, share: float, *classes: str) -> Markup:
    """Return a bar with its label and value.

    :param share: its length as a share of the longest bar's; a bar of length 0 is not drawn.
    """
    names = " ".join(f"drydock-{name}" for name in classes)
    track = Markup('<span class="drydock-track"><span class="drydock-length" style="width: {}%"></span></span>')
    return Markup(
        '<div class="drydock-bar {}"><span class="drydock-label">{}</span> <span class="drydock-value">{}</span>'
        "{}</div>"
    ).format(names, label, value, track.format(f"{100 * share:.3g}") if share else "")


def draw_line(label: str) -> Markup:
    """Return a line of text, for a row without a length."""
    return Markup('<div class="drydock-line">{}</div>').format(label)


def join_parts(parts: Iterable[Markup]) -> Markup:
    """Return the parts in one string."""
    return Markup("").join(parts)
