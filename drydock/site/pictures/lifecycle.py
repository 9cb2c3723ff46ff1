"""Lifecycle strips: per variant of a program the seconds until it was ready, and from the signal until its end."""

from __future__ import annotations

from markupsafe import Markup

from drydock.model.evidence import Row, Table
from drydock.site.pictures.bars import cell_number, join_parts
from drydock.site.render import units

#: The exit status of a program that SIGKILL ended, after the stop timeout.
KILLED = 137


def draw_lifecycle(table: Table, unique: str) -> Markup:
    """Return a strip per row; all strips have one scale."""
    most = max(cell_number(row, "ready") + cell_number(row, "stop") for row in table.rows) or 1
    return join_parts(_draw_strip(row, most) for row in table.rows)


def _draw_strip(row: Row, most: float) -> Markup:
    ready, stop = (100 * cell_number(row, column) / most for column in ("ready", "stop"))
    up, down = (units.format_duration(cell_number(row, column)) for column in ("ready", "stop"))
    description = f"ready after {up}, ended {down} after {row['signal']}, exit {row['exit']}"
    return Markup(
        '<div class="drydock-bar drydock-strip" role="img" aria-label="{}: {}"><span class="drydock-label">{}</span> '
        '<span class="drydock-value">{}</span><span class="drydock-track">'
        '<span class="drydock-length drydock-ready" style="width: {}%"></span>'
        '<span class="drydock-length {}" style="width: {}%"></span></span></div>'
    ).format(
        row["variant"],
        description,
        row["variant"],
        description,
        f"{ready:.3g}",
        "drydock-killed" if row["exit"] == KILLED else "drydock-stop",
        f"{stop:.3g}",
    )
