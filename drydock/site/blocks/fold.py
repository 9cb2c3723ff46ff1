"""Transcripts in HTML: lines are folded, and what differs in each run is marked.

What ``...`` covers is folded. Of a long transcript, the beginning, the last step, and each step that failed stay
visible. The folded lines are in the page: the browser's search finds and opens them, and the copy button copies them.
Style sheets do the rest. It takes no script, and paper shows everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from docutils import nodes
from markupsafe import escape
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from drydock.model.records import PrintedLine
from drydock.site.blocks.lexer import SHIELD
from drydock.site.examples.publish import publishes_files

KEY: Final = "drydock_folds"
#: Longer transcripts are folded: hardly any on pages written by hand, one in five on the examples' pages.
LONG: Final = 32
#: Visible lines at the beginning; at the end, the last step is visible.
BEGINNING: Final = 14
#: Minimum number of lines to fold.
LEAST: Final = 6

#: Tooltip of a marked part. It isn't read out; one sentence after the block is.
VARIES: Final = "differs each time"

Range = tuple[int, int]
#: The first line, the line after the last, and how many lines it stands for.
Fold = tuple[int, int, int]


def elided_folds(printed: Sequence[PrintedLine], first: int) -> list[Fold]:
    """Return the folds of what ``...`` covers; a single line stays.

    :param first: the number of the first line in the block.
    """
    folds = []
    for elided, group in groupby(enumerate(printed, first), lambda line: line[1].elided):
        lines = list(group)
        if elided is not None and len(lines) > 1:
            folds.append((lines[0][0], lines[-1][0] + 1, sum(line.lines for _, line in lines)))
    return folds


def all_folds(steps: Sequence[tuple[int, bool]], elided: Sequence[Fold]) -> list[Fold]:
    """Return the folds of a block: `elided` ones, and those of a long transcript, in which they count as a line.

    :param steps: see :func:`fold_ranges`.
    """
    total = sum(lines for lines, _ in steps)
    inner = {line for start, stop, _ in elided for line in range(start + 1, stop)}
    shown, sizes, first = [], [], 0
    for lines, failed in steps:
        visible = [line for line in range(first, first + lines) if line not in inner]
        shown += visible
        sizes.append((len(visible), failed))
        first += lines
    folds = []
    for begin, end in fold_ranges(sizes):
        start, stop = shown[begin], [*shown, total][end]
        more = sum(lines - (last - at) for at, last, lines in elided if start <= at < stop)
        folds.append((start, stop, stop - start + more))
    outer = [fold for fold in elided if not any(start <= fold[0] < stop for start, stop, _ in folds)]
    return sorted(folds + outer)


def fold_ranges(steps: Sequence[tuple[int, bool]]) -> list[Range]:
    """Return the ranges of lines to fold: the first line, and the line after the last.

    :param steps: the number of lines of each step, and whether it failed.
    """
    if sum(lines for lines, _ in steps) <= LONG:
        return []
    ranges = groupby(_foldable_lines(steps), key=lambda line: line[1])
    groups = [[number for number, _ in group] for folded, group in ranges if folded]
    return [(group[0], group[-1] + 1) for group in groups if len(group) >= LEAST]


def _foldable_lines(steps: Sequence[tuple[int, bool]]) -> Iterator[tuple[int, bool]]:
    """Yield the number of each line, and whether it can be folded."""
    number = 0
    for index, (lines, failed) in enumerate(steps):
        may = index < len(steps) - 1 and not failed
        yield from ((line, may and line >= BEGINNING) for line in range(number, number + lines))
        number += lines


def visit_literal_block(translator: HTML5Translator, node: nodes.literal_block) -> None:
    """Write a block as Sphinx does, mark what differs in each run, and fold its folds."""
    try:
        HTML5Translator.visit_literal_block(translator, node)
    except nodes.SkipNode:
        if KEY in node and publishes_files(translator.builder):
            translator.body[-1] = _finish_html(translator.body[-1], node.astext().split("\n"), *node[KEY])
        raise


def _finish_html(html: str, text: Sequence[str], folds: Iterable[Fold], varying: Mapping[int, Sequence[Range]]) -> str:
    """Return a block with its marks and folds. Pygments closes each mark in the line that opens it."""
    head, _, rest = html.partition("<pre>")
    code, _, tail = rest.partition("</pre>")
    lines = re.findall(r"[^\n]*\n|[^\n]+", code)
    for row, spans in varying.items():
        lines[row] = _mark_line(text[row].removeprefix(SHIELD), spans)
    for start, stop, count in reversed(list(folds)):
        more = f"{count} more lines"  # an attribute: the copy button copies text
        lines[start:stop] = [
            f'<label class="drydock-fold" data-more="{more}"><input type="checkbox" aria-label="{more}"></label>',
            f'<span class="drydock-rest" hidden="until-found">{"".join(lines[start:stop])}</span>',
        ]
    note = f'<span class="drydock-unseen">What is underlined {VARIES}.</span>' if varying else ""
    return f"{head}<pre>{''.join(lines)}</pre>{note}{tail}"


def _mark_line(text: str, spans: Sequence[Range]) -> str:
    """Return a line of output as Pygments does, with `spans` marked."""
    html, at = "", 0
    for start, end in spans:
        html += f'{escape(text[at:start])}<u title="{VARIES}">{escape(text[start:end])}</u>'
        at = end
    return f'<span class="go">{html}{escape(text[at:])}</span>\n'


def setup(app: Sphinx) -> None:
    """Finish transcripts in HTML."""
    app.add_node(nodes.literal_block, override=True, html=(visit_literal_block, HTML5Translator.depart_literal_block))
