"""Layer stacks: per image a bar for each layer and a line for each setting, the newest on top, the base below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup

from drydock.model.evidence import Row, Scalar, Table
from drydock.site.pictures.bars import bar, joined, line, longest, number
from drydock.site.render import units

BASE = Markup('<div class="drydock-divider">the base image</div>')


def draw(table: Table, unique: str) -> Markup:
    """Return a stack per image, side by side where there is room, with what they share."""
    images: dict[str, list[Row]] = {}
    for row in table.rows:
        images.setdefault(str(row["image"]), []).append(row)
    holders = Counter(layer for rows in images.values() for layer in {row["layer"] for row in rows})
    shared: set[Scalar] = {layer for layer, count in holders.items() if layer is not None and count > 1}
    most = longest(table.rows, "bytes")
    stacks = joined(_stack(image, rows, shared, most, len(images) > 1) for image, rows in images.items())
    said = [_said(image, rows) for image, rows in images.items()]
    if len(images) > 1:
        said.append(f"layers that they share: {len(shared)}")
    return Markup('<div class="drydock-stacks" role="img" aria-label="{}">{}</div>').format("; ".join(said), stacks)


def _stack(image: str, rows: list[Row], shared: set[Scalar], most: float, several: bool) -> Markup:
    own, below = ([row for row in reversed(rows) if row["base"] is base] for base in (False, True))
    parts = [_of(image, rows), *_part(own, shared, most, several)]
    if below:
        parts += [BASE, *_part(below, shared, most, several)]
    return Markup('<div class="drydock-stack">{}</div>').format(joined(parts))


def _of(image: str, rows: list[Row]) -> Markup:
    return Markup('<div class="drydock-of">{} <span class="drydock-value">{}</span></div>').format(image, _total(rows))


def _part(rows: list[Row], shared: set[Scalar], most: float, several: bool) -> Iterator[Markup]:
    """Yield bars and lines; where several images are to be compared, settings in a row are one line, of their names."""
    for is_setting, group in groupby(rows, key=lambda row: row["layer"] is None):
        texts = list(group)
        if not is_setting:
            yield from (_layer(row, shared, most, several) for row in texts)
        elif several:
            yield line(", ".join(str(row["instruction"]).split(" ")[0] for row in texts))
        else:
            yield from (line(str(row["instruction"])) for row in texts)


def _layer(row: Row, shared: set[Scalar], most: float, several: bool) -> Markup:
    size = number(row, "bytes")
    held = row["layer"] in shared
    note = (" · shared" if held else " · only here") if several else ""
    quiet = held or (bool(row["base"]) and not several)
    return bar(
        str(row["instruction"]), units.format_size(size) + note, size / most, "layer", "quiet" if quiet else "own"
    )


def _total(rows: list[Row]) -> str:
    return units.format_size(sum(number(row, "bytes") for row in rows))


def _said(image: str, rows: list[Row]) -> str:
    layers = [row for row in rows if row["layer"] is not None]
    below = sum(row["base"] is True for row in layers)
    return f"{image}: {len(layers)} layers with {_total(rows)}, {below} of them from the base image"
