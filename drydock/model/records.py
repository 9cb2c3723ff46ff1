"""Records: what a step printed on an engine, where that differs from the patterns in its transcript.

Transcripts keep patterns, evidence keeps records, and pages show records. A record has the lines as a transcript writes
them; a number stands for that many lines that ``...`` covers and that are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from drydock.model.characters import strip_hidden
from drydock.model.transcript import ANY_LINES, align_lines, drop_repeats, open_spans, trim_line, unescape_line

Record: TypeAlias = tuple[str | int, ...]
#: Maximum number of characters in a record.
LIMIT = 6000
#: Lines that are kept at each end of what ``...`` covers: the most with which the record is within the limit.
EDGES = (12, 5, 2, 0)
#: Of these, a page shows the most that keep its weight low.
SHOWN_EDGE = 3
#: Stands for a line that is left out. Only a pattern that matches any line matches it.
_GAP = "\0"
_MOST_LEFT_OUT = 1_000_000
_SECRET = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----|\bgh[pousr]_\w{36}|\bgithub_pat_\w{22}|\bAKIA[0-9A-Z]{16}\b"
    r"|\bglpat-[\w-]{20}|\bdckr_pat_[\w-]{20}|\bxox[abprs]-[\w-]{10}|\bSWMTKN-1-\w{20}"
    r"|\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,2000}\.[\w-]{10}"
)


@dataclass(frozen=True)
class PrintedLine:
    """A line as a page shows it.

    :ivar varying: start and end of each part that differs from run to run.
    :ivar elided: the index of the ``...`` that covers the line; None for another line.
    :ivar lines: how many lines it stands for.
    """

    text: str
    varying: tuple[tuple[int, int], ...] = ()
    elided: int | None = None
    lines: int = 1


def make_record(expected: Sequence[str], observed: Sequence[str], clean: Callable[[str], str]) -> Record | None:
    """Return the record of a step that printed `observed`, which `expected` matches, or None if they are equal.

    :param clean: replaces what is private in text that `expected` leaves open.
    :raises ValueError: there is a secret in such text, the record is over the limit, or cleaning it spoils the match.
    """
    observed = drop_repeats([*map(trim_line, observed)])  # Compose redraws them in a terminal
    if observed == drop_repeats([*map(trim_line, expected)]):
        return None
    owners = _owners(expected, observed)
    lines = [_clean_line(expected, owner, line, clean) for owner, line in zip(owners, observed, strict=True)]
    for edge in EDGES:
        record: Record = ()
        for elided, group in groupby(zip(owners, lines, strict=True), lambda pair: _is_elided(expected, pair[0])):
            part = [line for _, line in group]
            left_out = len(part) - 2 * edge
            short = elided and left_out > bool(edge)
            record += (*part[:edge], left_out, *part[len(part) - edge :]) if short else tuple(part)
        if _length(record) <= LIMIT:
            break
    check_record(record)
    printed_lines(expected, record)
    return record


def check_record(record: Record) -> None:
    """Raise ValueError if the record is over the limit, can't be shown, or leaves out an odd number of lines."""
    if _length(record) > LIMIT:
        raise ValueError(f"a record of {_length(record)} characters; the limit is {LIMIT}: let the command print less")
    if any("\n" in part or strip_hidden(part) != part for part in record if isinstance(part, str)):
        raise ValueError("a record with a hidden character")
    odd = [part for part in record if isinstance(part, int) and not 0 < part < _MOST_LEFT_OUT]
    if odd:
        raise ValueError(f"a record that leaves out {odd[0]} lines")


def _length(record: Record) -> int:
    return sum(len(part) for part in record if isinstance(part, str))


def printed_lines(expected: Sequence[str], record: Record) -> list[PrintedLine]:
    """Return what a page shows of a record.

    :raises ValueError: `expected` doesn't match the record, or text that it leaves open holds a secret.
    """
    owners = _owners(
        expected, [line for part in record for line in ([part] if isinstance(part, str) else [_GAP] * part)]
    )
    lines = []
    at = 0
    for part in record:
        if isinstance(part, str):
            lines.append(_printed_line(expected, owners[at], part))
            at += 1
        else:
            if not all(_is_elided(expected, owner) for owner in owners[at : at + part]):
                raise ValueError("a record that leaves out lines which the transcript has")
            lines.append(PrintedLine(f"[lines left out here: {part}]", elided=owners[at], lines=part))
            at += part
    return lines


def shorten_elided(lines: Sequence[PrintedLine]) -> list[PrintedLine]:
    """Return `lines` with at most ``SHOWN_EDGE`` at each end of what a ``...`` covers."""
    short: list[PrintedLine] = []
    for elided, group in groupby(lines, lambda line: line.elided):
        part = list(group)
        middle = part[SHOWN_EDGE : len(part) - SHOWN_EDGE]
        if elided is None or len(middle) < 2:
            short += part
            continue
        count = sum(line.lines for line in middle)
        gap = PrintedLine(f"[lines left out here: {count}]", elided=elided, lines=count)
        short += [*part[:SHOWN_EDGE], gap, *part[-SHOWN_EDGE:]]
    return short


def _owners(expected: Sequence[str], observed: Sequence[str]) -> list[int]:
    """Return for each line the index of its pattern; progress that doesn't count belongs to a ``...`` before it."""
    owners = align_lines(expected, observed)
    if owners is None:
        raise ValueError("a record that doesn't match the step's patterns")
    for row, owner in enumerate(owners):
        if owner < 0 and row and _is_elided(expected, owners[row - 1]):
            owners[row] = owners[row - 1]
    return owners


def _is_elided(expected: Sequence[str], owner: int) -> bool:
    return owner >= 0 and expected[owner] == ANY_LINES


def _open_parts(expected: Sequence[str], owner: int, line: str) -> list[tuple[int, int]]:
    """Return the parts of a line that its pattern leaves open: all of it, if it has no pattern."""
    if owner < 0 or expected[owner] == ANY_LINES:
        return [(0, len(line))]
    return open_spans(expected[owner], line)


def _clean_line(expected: Sequence[str], owner: int, line: str, clean: Callable[[str], str]) -> str:
    for start, end in reversed(_open_parts(expected, owner, line)):
        line = line[:start] + strip_hidden(clean(line[start:end])) + line[end:]
    return line


def _printed_line(expected: Sequence[str], owner: int, line: str) -> PrintedLine:
    spans = _open_parts(expected, owner, line)
    if any(_SECRET.search(line, *span) for span in spans):
        raise ValueError("a record with a secret; let the command not print it")
    if _is_elided(expected, owner) or owner < 0:
        return PrintedLine(unescape_line(line), elided=owner if owner >= 0 else None)
    # An escape is within a part, or outside of all.
    varying = [(len(unescape_line(line[:start])), len(unescape_line(line[:end]))) for start, end in spans]
    return PrintedLine(unescape_line(line), tuple(varying))
