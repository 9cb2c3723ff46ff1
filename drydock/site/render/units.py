"""Measures with a unit, rounded to their precision."""

from __future__ import annotations

from drydock.model.evidence import Measure

#: Between a value and its unit: a space that no line breaks at.
SPACE = "\N{NO-BREAK SPACE}"
TIMES = "\N{MULTIPLICATION SIGN}"


def format_measure(measure: Measure) -> str:
    """Return the measure as text, such as ``78.1 MB``, ``0.4 s`` or ``8``."""
    return {"bytes": format_size, "seconds": format_duration, "ratio": format_ratio, "count": format_count}[
        measure.unit
    ](measure.value)


def format_size(value: float) -> str:
    """Return `value` bytes in decimal units with three digits, as ``docker images`` counts."""
    for unit in ("B", "kB", "MB", "GB"):
        if float(f"{value:.3g}") < 1000:
            return f"{float(f'{value:.3g}'):g}{SPACE}{unit}"
        value /= 1000
    return f"{value:.3g}{SPACE}TB"


def format_duration(value: float) -> str:
    """Return `value` seconds with one digit below 1 s, one decimal below 10 s, and none above."""
    digits = f"{value:.1g}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"
    return f"{float(digits):g}{SPACE}s"


def format_ratio(value: float) -> str:
    """Return how many times, with one decimal below 10."""
    return f"{value:.1f}".removesuffix(".0") + TIMES if value < 10 else f"{value:,.0f}{TIMES}"


def format_count(value: float) -> str:
    """Return a count, with commas between thousands."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
