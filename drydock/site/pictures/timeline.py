"""Cache timelines: after each edit, per variant, which steps ran and for how long.

All edits are on the page. The style sheet hides those that the reader did not pick; where it cannot, all are seen.
"""

from __future__ import annotations

from markupsafe import Markup

from drydock.model.evidence import Row, Table
from drydock.site.pictures.bars import bar, joined, longest, number
from drydock.site.render import units


def draw(table: Table, unique: str) -> Markup:
    """Return a choice of edits, and for each edit its variants side by side."""
    edits: dict[str, list[Row]] = {}
    for row in table.rows:
        edits.setdefault(str(row["edit"]), []).append(row)
    most = longest(table.rows, "seconds")
    panels = joined(_edit(edit, rows, most) for edit, rows in edits.items())
    return Markup('{}<div class="drydock-edits">{}</div>').format(_choice(edits, unique), panels)


def _choice(edits: dict[str, list[Row]], unique: str) -> Markup:
    """Return the radio buttons: all edits, then each; the first edit that cost anything is picked."""
    picked = next((edit for edit, rows in edits.items() if _ran(rows)), next(iter(edits)))
    labels = [_radio("all of these", unique, False), *(_radio(edit, unique, edit == picked) for edit in edits)]
    return Markup('<fieldset class="drydock-choice"><legend>What changed?</legend>{}</fieldset>').format(joined(labels))


def _radio(text: str, unique: str, checked: bool) -> Markup:
    mark = Markup(' checked="checked"') if checked else ""
    return Markup('<label><input type="radio" name="{}"{} /> {}</label>').format(unique, mark, text)


def _edit(edit: str, rows: list[Row], most: float) -> Markup:
    variants: dict[str, list[Row]] = {}
    for row in rows:
        variants.setdefault(str(row["variant"]), []).append(row)
    said = "; ".join(f"{variant}: {_said(steps)}" for variant, steps in variants.items())
    drawn = joined(_variant(variant, steps, most) for variant, steps in variants.items())
    return Markup(
        '<div class="drydock-edit" role="img" aria-label="Changed: {}. {}"><div class="drydock-changed">{}</div>'
        '<div class="drydock-stacks">{}</div></div>'
    ).format(edit, said, edit, drawn)


def _variant(variant: str, steps: list[Row], most: float) -> Markup:
    title = Markup('<div class="drydock-of">{} <span class="drydock-value">{}</span></div>').format(
        variant, _said(steps)
    )
    return Markup('<div class="drydock-stack">{}{}</div>').format(title, joined(_step(row, most) for row in steps))


def _step(row: Row, most: float) -> Markup:
    if row["state"] == "cached":
        return bar(str(row["step"]), "cached", 0, "cached")
    seconds = number(row, "seconds")
    return bar(str(row["step"]), f"ran {units.format_duration(seconds)}", seconds / most, "own")


def _ran(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["state"] == "run"]


def _said(steps: list[Row]) -> str:
    ran = _ran(steps)
    if not ran:
        return f"all {len(steps)} steps cached"
    return f"{len(ran)} of {len(steps)} steps ran, {units.format_duration(sum(number(row, 'seconds') for row in ran))}"
