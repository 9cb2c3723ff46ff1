"""Pictures drawn from tables of the evidence, each with its table as the text alternative.

A picture shows nothing but its table, and all text in it is escaped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from docutils import nodes
from markupsafe import Markup
from sphinx.environment import BuildEnvironment

from drydock.model.evidence import KINDS, TIMED, Scalar, Table
from drydock.model.example import Example
from drydock.site.blocks.captions import Badge, Caption, run_badge
from drydock.site.pictures import chart, layers, lifecycle, network, timeline
from drydock.site.render import units
from drydock.site.render.deferred import defer
from drydock.site.render.inline import InlineText
from drydock.site.render.tables import text_table
from drydock.site.repository import get_repository

#: The function that draws each kind of table, given the table and a name that is unique on the page.
DRAWN: Final[dict[str, Callable[[Table, str], Markup]]] = {
    "layers": layers.draw_layers,
    "timeline": timeline.draw_timeline,
    "sizes": chart.draw_sizes,
    "network": network.draw_network,
    "durations": chart.draw_durations,
    "lifecycle": lifecycle.draw_lifecycle,
}
#: Headings of columns that differ from the column's name.
HEADINGS = {
    "bytes": "Size",
    "seconds": "Time",
    "base": "From the base",
    "alias": "Asked for",
    "ready": "Ready after",
    "stop": "Ended after",
    "exit": "Exit status",
}


def make_picture(env: BuildEnvironment, example: Example, name: str, caption: str = "") -> list[nodes.Node]:
    """Return the example's table `name` as a figure, with the table itself in a part that opens.

    :raises MissingError: no such table.
    :raises MalformedError: the evidence does not parse.
    """
    table = get_repository(env).evidence(example).table(name)
    unique = f"drydock-picture-{env.new_serialno('drydock-picture')}"
    opened = [
        _raw(Markup('<figure class="drydock-block drydock-picture drydock-{}"><figcaption>').format(table.kind)),
        defer(Caption(example.slug, "", caption)),
        _raw(Markup("</figcaption>")),
    ]
    closed = [defer(Badge(run_badge(env, example))), _raw(Markup("</figure>"))]
    if table.kind == "grid":  # it is a table
        return [*opened, _grid(table), *closed]
    return [
        *opened,
        _raw(Markup('<div class="drydock-drawn">{}</div>').format(DRAWN[table.kind](table, unique))),
        _raw(Markup("<details><summary>As a table</summary>")),
        text_of(table),
        _raw(Markup("</details>")),
        *closed,
    ]


def _raw(html: Markup) -> nodes.raw:
    return nodes.raw("", str(html), format="html")


def _grid(table: Table) -> nodes.Node:
    """Return the cells of `table` where they belong, with a heading per column and one per row."""
    columns = list(dict.fromkeys(str(row["column"]) for row in table.rows))
    cells = {(row["row"], row["column"]): str(row["cell"]) for row in table.rows}
    heads = dict.fromkeys(str(row["row"]) for row in table.rows)
    body = [[InlineText(head), *(InlineText(cells[head, column]) for column in columns)] for head in heads]
    return text_table(["", *columns], body, "drydock-grid", stub=True)


def text_of(table: Table) -> nodes.Node:
    """Return the rows of `table` as they are, with units."""
    head = [HEADINGS.get(column, column.capitalize()) for column in KINDS[table.kind]]
    body = [[InlineText(_cell(column, row[column])) for column in KINDS[table.kind]] for row in table.rows]
    return text_table(head, body, "drydock-rows")


def _cell(column: str, value: Scalar) -> str:
    if value is None or value == "":
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and column in ("bytes", *TIMED):
        return units.format_size(value) if column == "bytes" else units.format_duration(value)
    return str(value)
