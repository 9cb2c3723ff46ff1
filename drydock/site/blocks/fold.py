"""Long transcripts, folded: the beginning, the last step, and each step that failed stay visible.

The folded lines are in the page: the browser's search finds and opens them, and the copy button copies them. Style
sheets do the rest. It takes no script, and paper shows everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from drydock.site.examples.publish import publishes_files

KEY: Final = "drydock_folds"
#: Longer transcripts are folded: hardly any on pages written by hand, one in five on the examples' pages.
LONG: Final = 32
#: Visible lines at the beginning; at the end, the last step is visible.
BEGINNING: Final = 14
#: Minimum number of lines to fold.
LEAST: Final = 6

Range = tuple[int, int]


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
    """Write a block as Sphinx does, and fold its ranges."""
    try:
        HTML5Translator.visit_literal_block(translator, node)
    except nodes.SkipNode:
        if KEY in node and publishes_files(translator.builder):
            translator.body[-1] = _fold_html(translator.body[-1], node[KEY])
        raise


def _fold_html(html: str, ranges: Iterable[Range]) -> str:
    """Return a block with `ranges` of its lines folded. Pygments closes each mark in the line that opens it."""
    head, _, rest = html.partition("<pre>")
    code, _, tail = rest.partition("</pre>")
    lines = re.findall(r"[^\n]*\n|[^\n]+", code)
    for start, stop in reversed(list(ranges)):
        more = f"{stop - start} more lines"  # an attribute: the copy button copies text
        lines[start:stop] = [
            f'<label class="drydock-fold" data-more="{more}"><input type="checkbox" aria-label="{more}"></label>',
            f'<span class="drydock-rest" hidden="until-found">{"".join(lines[start:stop])}</span>',
        ]
    return f"{head}<pre>{''.join(lines)}</pre>{tail}"


def setup(app: Sphinx) -> None:
    """Fold long transcripts in HTML."""
    app.add_node(nodes.literal_block, override=True, html=(visit_literal_block, HTML5Translator.depart_literal_block))
