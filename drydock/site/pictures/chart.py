"""Charts: a bar per row, from the same zero, for sizes of images and for durations."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from drydock.model.evidence import Table
from drydock.site.pictures.bars import cell_number, draw_bar, join_parts, longest_value
from drydock.site.render import units


def draw_sizes(table: Table, unique: str) -> Markup:
    """Return a bar per image, by its size."""
    return _draw_chart(table, "image", "bytes", units.format_size, "Sizes of images")


def draw_durations(table: Table, unique: str) -> Markup:
    """Return a bar per row, by its duration."""
    return _draw_chart(table, "label", "seconds", units.format_duration, "Durations")


def _draw_chart(table: Table, label: str, column: str, shown: Callable[[float], str], title: str) -> Markup:
    most = longest_value(table.rows, column)
    bars = [(str(row[label]), shown(cell_number(row, column)), cell_number(row, column) / most) for row in table.rows]
    description = ", ".join(f"{name} {value}" for name, value, _ in bars)
    drawn = join_parts(draw_bar(name, value, share) for name, value, share in bars)
    return Markup('<div role="img" aria-label="{}: {}">{}</div>').format(title, description, drawn)
