"""Tables of sentences, rendered late, and tables of nodes, which can hold links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from docutils import nodes
from markupsafe import Markup, escape
from sphinx.builders import Builder

from drydock.site.render.deferred import defer
from drydock.site.render.inline import InlineText, inline_nodes, to_html, to_markdown

Cell = Sequence[nodes.Node]


@dataclass(frozen=True)
class TableData:
    """A table of sentences.

    :ivar stub: the first cell of each row is its heading.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[InlineText, ...], ...]
    kind: str
    stub: bool = False

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return it as HTML."""
        # Spaces between the cells keep words apart: the search index removes tags.
        head = " ".join(f'<th class="head"><p>{to_html(text)}</p></th>' for text in self.head)
        body = "\n".join(f"<tr>{' '.join(self._cells(row))}</tr>" for row in self.rows)
        kind = escape(self.kind)
        return Markup(
            f'<div class="table-wrapper colwidths-auto {kind} docutils container">\n'
            f'<table class="{kind} docutils align-default">\n'
            f"<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n"
        )

    def _cells(self, row: tuple[InlineText, ...]) -> list[str]:
        cells = [f"<td><p>{cell.html()}</p></td>" for cell in row]
        if self.stub:
            cells[0] = f'<th class="stub"><p>{row[0].html()}</p></th>'
        return cells

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return it as Markdown."""
        return markdown_table(
            [list(map(to_markdown, self.head)), *([to_markdown(cell.text) for cell in row] for row in self.rows)]
        )


def text_table(
    head: Sequence[str], body: Sequence[Sequence[InlineText]], kind: str, *, stub: bool = False
) -> nodes.container:
    """Return a table with the headings `head`, and the sentences of `body` in its cells."""
    return defer(TableData(tuple(head), tuple(map(tuple, body)), kind, stub))


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown.

    :param rows: the text of each cell; the first row has the headings.
    """
    head, *body = [
        "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in row) + " |" for row in rows
    ]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def node_table(head: Sequence[str], body: Sequence[Sequence[Cell]], *classes: str, stub: bool = False) -> nodes.table:
    """Return a table with the headings `head`, and the inline nodes of `body` in its cells.

    :param stub: the first cell of each row is its heading.
    """
    widths = [_column_width(column) for column in zip(*body, strict=True)]
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(head))
    if stub:
        next(iter(group.findall(nodes.colspec)))["stub"] = 1
    group += nodes.thead("", _table_row([inline_nodes(text) for text in head]))
    group += nodes.tbody("", *map(_table_row, body))
    return nodes.table("", group, classes=["colwidths-auto", *classes])


def _table_row(cells: Sequence[Cell]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def _column_width(column: Sequence[Cell]) -> int:
    """Return the width of a column in characters, for text builders."""
    return min(60, max(18, *(sum(len(node.astext()) for node in cell) for cell in column)))
