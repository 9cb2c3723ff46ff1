"""Image sizes: a bar per image, from the same zero."""

from __future__ import annotations

from markupsafe import Markup

from drydock.evidence import Table
from drydock.site import units
from drydock.site.pictures.bars import bar, joined, longest, number


def draw(table: Table, unique: str) -> Markup:
    """Return a bar per row."""
    most = longest(table.rows, "bytes")
    shown = [(str(row["image"]), number(row, "bytes")) for row in table.rows]
    said = ", ".join(f"{image} {units.size(size)}" for image, size in shown)
    bars = joined(bar(image, units.size(size), size / most) for image, size in shown)
    return Markup('<div role="img" aria-label="Sizes of images: {}">{}</div>').format(said, bars)
