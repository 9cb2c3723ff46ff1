"""Cache timelines: after each edit, per variant, which steps ran and for how long.

All edits are on the page. The style sheet hides those that the reader did not pick; without it, all are visible.
"""

from __future__ import annotations

from markupsafe import Markup

from drydock.model.evidence import Row, Table
from drydock.site.pictures.bars import cell_number, draw_bar, join_parts, longest_value
from drydock.site.render import units


def draw_timeline(table: Table, unique: str) -> Markup:
    """Return a choice of edits, and for each edit its variants side by side."""
    edits: dict[str, list[Row]] = {}
    for row in table.rows:
        edits.setdefault(str(row["edit"]), []).append(row)
    most = longest_value(table.rows, "seconds")
    panels = join_parts(_draw_edit(edit, rows, most) for edit, rows in edits.items())
    return Markup('{}<div class="drydock-edits">{}</div>').format(_draw_choice(edits, unique), panels)


def _draw_choice(edits: dict[str, list[Row]], unique: str) -> Markup:
    """Return the radio buttons: all edits, then each; the first edit that made a step run is picked."""
    picked = next((edit for edit, rows in edits.items() if _steps_run(rows)), next(iter(edits)))
    labels = [
        _draw_radio("all of these", unique, False),
        *(_draw_radio(edit, unique, edit == picked) for edit in edits),
    ]
    return Markup('<fieldset class="drydock-choice"><legend>What changed?</legend>{}</fieldset>').format(
        join_parts(labels)
    )


def _draw_radio(text: str, unique: str, checked: bool) -> Markup:
    mark = Markup(' checked="checked"') if checked else ""
    return Markup('<label><input type="radio" name="{}"{} /> {}</label>').format(unique, mark, text)


def _draw_edit(edit: str, rows: list[Row], most: float) -> Markup:
    variants: dict[str, list[Row]] = {}
    for row in rows:
        variants.setdefault(str(row["variant"]), []).append(row)
    description = "; ".join(f"{variant}: {_describe_steps(steps)}" for variant, steps in variants.items())
    drawn = join_parts(_draw_variant(variant, steps, most) for variant, steps in variants.items())
    return Markup(
        '<div class="drydock-edit" role="img" aria-label="Changed: {}. {}"><div class="drydock-changed">{}</div>'
        '<div class="drydock-stacks">{}</div></div>'
    ).format(edit, description, edit, drawn)


def _draw_variant(variant: str, steps: list[Row], most: float) -> Markup:
    title = Markup('<div class="drydock-of">{} <span class="drydock-value">{}</span></div>').format(
        variant, _describe_steps(steps)
    )
    return Markup('<div class="drydock-stack">{}{}</div>').format(
        title, join_parts(_draw_step(row, most) for row in steps)
    )


def _draw_step(row: Row, most: float) -> Markup:
    if row["state"] == "cached":
        return draw_bar(str(row["step"]), "cached", 0, "cached")
    seconds = cell_number(row, "seconds")
    return draw_bar(str(row["step"]), f"ran {units.format_duration(seconds)}", seconds / most, "own")


def _steps_run(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["state"] == "run"]


def _describe_steps(steps: list[Row]) -> str:
    ran = _steps_run(steps)
    if not ran:
        return f"all {len(steps)} steps cached"
    seconds = sum(cell_number(row, "seconds") for row in ran)
    return f"{len(ran)} of {len(steps)} steps ran, {units.format_duration(seconds)}"
