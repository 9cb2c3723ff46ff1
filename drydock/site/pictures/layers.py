"""Layer stacks: per image a bar for each layer and a line for each setting, the newest on top, the base below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup

from drydock.model.evidence import Row, Scalar, Table
from drydock.site.pictures.bars import cell_number, draw_bar, draw_line, join_parts, longest_value
from drydock.site.render import units

BASE = Markup('<div class="drydock-divider">the base image</div>')


def draw_layers(table: Table, unique: str) -> Markup:
    """Return a stack per image, with the layers that they share marked."""
    images: dict[str, list[Row]] = {}
    for row in table.rows:
        images.setdefault(str(row["image"]), []).append(row)
    holders = Counter(layer for rows in images.values() for layer in {row["layer"] for row in rows})
    shared: set[Scalar] = {layer for layer, count in holders.items() if layer is not None and count > 1}
    most = longest_value(table.rows, "bytes")
    stacks = join_parts(_draw_stack(image, rows, shared, most, len(images) > 1) for image, rows in images.items())
    descriptions = [_describe_image(image, rows) for image, rows in images.items()]
    if len(images) > 1:
        descriptions.append(f"layers that they share: {len(shared)}")
    return Markup('<div class="drydock-stacks" role="img" aria-label="{}">{}</div>').format(
        "; ".join(descriptions), stacks
    )


def _draw_stack(image: str, rows: list[Row], shared: set[Scalar], most: float, several: bool) -> Markup:
    own, below = ([row for row in reversed(rows) if row["base"] is base] for base in (False, True))
    parts = [_stack_title(image, rows), *_draw_rows(own, shared, most, several)]
    if below:
        parts += [BASE, *_draw_rows(below, shared, most, several)]
    return Markup('<div class="drydock-stack">{}</div>').format(join_parts(parts))


def _stack_title(image: str, rows: list[Row]) -> Markup:
    return Markup('<div class="drydock-of">{} <span class="drydock-value">{}</span></div>').format(
        image, _total_size(rows)
    )


def _draw_rows(rows: list[Row], shared: set[Scalar], most: float, several: bool) -> Iterator[Markup]:
    """Yield bars for layers and lines for settings. If images are compared, neighbouring settings share a line."""
    for is_setting, group in groupby(rows, key=lambda row: row["layer"] is None):
        texts = list(group)
        if not is_setting:
            yield from (_draw_layer(row, shared, most, several) for row in texts)
        elif several:
            yield draw_line(", ".join(str(row["instruction"]).split(" ")[0] for row in texts))
        else:
            yield from (draw_line(str(row["instruction"])) for row in texts)


def _draw_layer(row: Row, shared: set[Scalar], most: float, several: bool) -> Markup:
    size = cell_number(row, "bytes")
    is_shared = row["layer"] in shared
    note = (" · shared" if is_shared else " · only here") if several else ""
    quiet = is_shared or (bool(row["base"]) and not several)
    return draw_bar(
        str(row["instruction"]), units.format_size(size) + note, size / most, "layer", "quiet" if quiet else "own"
    )


def _total_size(rows: list[Row]) -> str:
    return units.format_size(sum(cell_number(row, "bytes") for row in rows))


def _describe_image(image: str, rows: list[Row]) -> str:
    layers = [row for row in rows if row["layer"] is not None]
    below = sum(row["base"] is True for row in layers)
    return f"{image}: {len(layers)} layers with {_total_size(rows)}, {below} of them from the base image"
