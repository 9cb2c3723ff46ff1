"""Charts: a bar per row, from the same zero, for sizes of images and for durations."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from drydock.model.evidence import Table
from drydock.site.pictures.bars import bar, joined, longest, number
from drydock.site.render import units


def sizes(table: Table, unique: str) -> Markup:
    """Return a bar per image, as long as it is large."""
    return _chart(table, "image", "bytes", units.format_size, "Sizes of images")


def durations(table: Table, unique: str) -> Markup:
    """Return a bar per row, as long as it took."""
    return _chart(table, "label", "seconds", units.format_duration, "Durations")


def _chart(table: Table, label: str, column: str, shown: Callable[[float], str], title: str) -> Markup:
    most = longest(table.rows, column)
    bars = [(str(row[label]), shown(number(row, column)), number(row, column) / most) for row in table.rows]
    said = ", ".join(f"{name} {value}" for name, value, _ in bars)
    drawn = joined(bar(name, value, share) for name, value, share in bars)
    return Markup('<div role="img" aria-label="{}: {}">{}</div>').format(title, said, drawn)
