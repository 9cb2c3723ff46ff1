"""Tables, from rows of cells."""

from __future__ import annotations

from collections.abc import Sequence

from docutils import nodes

from drydock.site.blocks import prose

Cell = Sequence[nodes.Node]


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], *classes: str, stub: bool = False) -> nodes.table:
    """Return a table with the headings `head`, and the inline nodes of `rows` in its cells.

    :param stub: the first cell of each row is its heading.
    """
    widths = [_width(column) for column in zip(*rows, strict=True)]
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(head))
    if stub:
        next(iter(group.findall(nodes.colspec)))["stub"] = 1
    group += nodes.thead("", _row([prose(text) for text in head]))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["colwidths-auto", *classes])


def _row(cells: Sequence[Cell]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def _width(column: Sequence[Cell]) -> int:
    """Return the width of a column in characters, for the builders that set text in columns of their own making."""
    return min(60, max(18, *(sum(len(node.astext()) for node in cell) for cell in column)))
