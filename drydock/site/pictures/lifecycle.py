"""Lifecycle strips: per variant of a program how long it took until ready, and from the signal until its end."""

from __future__ import annotations

from markupsafe import Markup

from drydock.model.evidence import Row, Table
from drydock.site.pictures.bars import joined, number
from drydock.site.render import units

#: The status of a program that was ended by SIGKILL: the engine lost its patience.
KILLED = 137


def draw(table: Table, unique: str) -> Markup:
    """Return a strip per row; all strips have one scale."""
    most = max(number(row, "ready") + number(row, "stop") for row in table.rows) or 1
    return joined(_strip(row, most) for row in table.rows)


def _strip(row: Row, most: float) -> Markup:
    ready, stop = (100 * number(row, column) / most for column in ("ready", "stop"))
    up, down = (units.format_duration(number(row, column)) for column in ("ready", "stop"))
    said = f"ready after {up}, ended {down} after {row['signal']}, exit {row['exit']}"
    return Markup(
        '<div class="drydock-bar drydock-strip" role="img" aria-label="{}: {}"><span class="drydock-label">{}</span> '
        '<span class="drydock-value">{}</span><span class="drydock-track">'
        '<span class="drydock-length drydock-ready" style="width: {}%"></span>'
        '<span class="drydock-length {}" style="width: {}%"></span></span></div>'
    ).format(
        row["variant"],
        said,
        row["variant"],
        said,
        f"{ready:.3g}",
        "drydock-killed" if row["exit"] == KILLED else "drydock-stop",
        f"{stop:.3g}",
    )
