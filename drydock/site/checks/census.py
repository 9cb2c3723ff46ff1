"""The census: every block on every page, counted in what is rendered, and who owns it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from drydock.errors import MalformedError
from drydock.model import walkthroughs
from drydock.model.transcript import Step
from drydock.site.checks.slack import Slack, slack
from drydock.site.pages import Page, all_pages as pages, block_owner, current_page, is_generated
from drydock.site.render.inline import inline_nodes
from drydock.site.render.tables import Cell, node_table
from drydock.site.repository import get_repository
from drydock.site.results.walkthroughs import typed
from drydock.site.warn import Subtype, warn

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

FILE = "drydock-census.json"
#: Nodes that are shown as code. A description (`option`, `confval`, `py:function`) has code for a title.
_BLOCKS: tuple[type[nodes.Element], ...] = (nodes.literal_block, nodes.doctest_block, nodes.line_block)
_BLOCKS += (nodes.option_list, addnodes.desc, addnodes.productionlist)
#: HTML that shows text in the font of code, or keeps its spaces.
_CODE_HTML = re.compile(
    r"<(?:pre|code|samp|kbd|tt|xmp|textarea|listing|plaintext)(?=[\s/>])|white-space(?:-collapse)?\s*:\s*(?:pre|break)",
    re.IGNORECASE,
)
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Census:
    """How much the site shows.

    :ivar blocks: all blocks: those that examples own, and the unbound ones.
    :ivar written: blocks on the pages that authors wrote; the others are on the examples' own pages.
    :ivar commands: commands in the blocks of transcripts.
    :ivar unbound: blocks that no example owns.
    :ivar hidden: steps of transcripts that run, and that no page shows.
    :ivar skipped: claims and transcripts that were skipped on the default engine, with a reason.
    :ivar slack: what the transcripts leave open.
    """

    pages: int
    examples: int
    blocks: int
    written: int
    files: int
    regions: int
    transcripts: int
    commands: int
    unbound: int
    hidden: int = 0
    skipped: int = 0
    slack: Slack = field(default_factory=Slack)

    @property
    def share(self) -> str:
        """How many of the blocks an example owns, in per cent; 100 % stands for all of them and nothing less."""
        owned = self.blocks - self.unbound
        return f"{100 * owned // self.blocks if self.blocks else 100} %"

    def __str__(self) -> str:
        owned = "every block is owned by an example" if not self.unbound else f"{self.unbound} blocks have no owner"
        return (
            f"census: {self.pages} pages show {self.blocks} blocks of {self.examples} examples: {self.files} files, "
            f"{self.regions} regions, {self.transcripts} transcripts with {self.commands} commands; "
            f"{self.written} of the blocks are on pages written by hand; {owned}: {self.share}"
        )


def read(app: Sphinx, doctree: nodes.document) -> None:
    """Note the blocks of a page that was just read, and report those that no example owns."""
    page = current_page(app.env)
    for node in filter(_is_block, doctree.findall(nodes.Element)):
        block = block_owner(node)
        if block is not None:
            page.blocks.append(block)
        else:
            page.unbound += 1
            page.faulty = True
            warn(Subtype.UNBOUND, "a block that no example owns; show it with {example} or {transcript}", node)


def _is_block(node: nodes.Element) -> bool:
    """Return whether a reader takes `node` for code: a block, the description of an object, or HTML that looks so."""
    if isinstance(node, nodes.raw):
        return bool(_CODE_HTML.search(_HTML_COMMENT.sub("", node.astext())))
    return isinstance(node, _BLOCKS)


def take_census(env: BuildEnvironment) -> Census:
    """Return the census of all pages read so far."""
    every = pages(env)
    blocks = [block for page in every.values() for block in page.blocks]
    kinds = Counter("region" if block.region else block.kind for block in blocks)
    steps = {(slug, name, step.line) for slug, name, step in _steps(env)}
    seen: set[tuple[str, str, int]] = set()
    for block in blocks:
        name = PurePosixPath(block.path).stem
        seen.update((block.slug, name, line) for line in block.steps)
    return Census(
        pages=len(env.found_docs),
        examples=len(get_repository(env).examples),
        blocks=sum(map(_size, every.values())),
        written=sum(_size(page) for name, page in every.items() if not is_generated(name)),
        files=kinds["file"],
        regions=kinds["region"],
        transcripts=kinds["transcript"],
        commands=sum(len(block.steps) for block in blocks),
        unbound=sum(page.unbound for page in every.values()),
        hidden=len(steps - seen),
        skipped=_skipped(env),
        slack=slack(step for _, _, step in _steps(env)),
    )


def _steps(env: BuildEnvironment) -> Iterator[tuple[str, str, Step]]:
    """Yield every step with its example and transcript; `checks` has reported those that do not parse."""
    for slug, example in get_repository(env).examples.items():
        for name in example.transcripts:
            with contextlib.suppress(MalformedError):
                yield from ((slug, name, step) for step in example.transcript(name).steps)


def _skipped(env: BuildEnvironment) -> int:
    found = 0
    for example in get_repository(env).examples.values():
        with contextlib.suppress(MalformedError):
            run = get_repository(env).evidence(example).run
            claims, transcripts = (run.claims, run.transcripts) if run else ({}, {})
            found += sum(each.outcome == "skipped" for each in claims.values())
            found += sum(each.outcome == "skipped" for each in transcripts.values())
    return found


def _size(page: Page) -> int:
    return len(page.blocks) + page.unbound


class CensusDirective(SphinxDirective):
    """``{census}``: the census as a table. Its place is held until all pages are read."""

    def run(self) -> list[nodes.Node]:
        """Return what holds its place."""
        current_page(self.env).census = True
        return [nodes.container("", drydock_census=True)]


def showing(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages that show the census: each build writes them anew."""
    return [name for name, page in pages(env).items() if page.census]


def show(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the census where its place was held."""
    for node in list(doctree.findall(nodes.container)):
        if "drydock_census" in node:
            node.replace_self(_table(take_census(app.env)))


def _table(census: Census) -> nodes.table:
    rows = {
        "Pages": census.pages,
        "Examples": census.examples,
        "Blocks": census.blocks,
        "of these, on pages written by hand": census.written,
        "of these, files": census.files,
        "of these, regions of files": census.regions,
        "of these, transcripts": census.transcripts,
        "Commands in the transcripts": census.commands,
        "Blocks owned by an example": census.share,
        "Steps that run and are not shown": census.hidden,
        "Claims and transcripts skipped": census.skipped,
        "Lines of output": census.slack.lines,
        "of these, compared to the letter": census.slack.exact,
        "Places where any lines may stand (`...`)": census.slack.elided,
        "Steps that are tried again until they match": census.slack.retried,
    } | {f"Placeholders `{placeholder}`": many for placeholder, many in census.slack.open.items()}
    cells: list[list[Cell]] = [[inline_nodes(what), [nodes.Text(str(many))]] for what, many in rows.items()]
    return node_table(["In this build", "Count"], cells, "drydock-census")


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Print the census, and write it next to the pages."""
    if exception is not None:
        return
    census = take_census(app.env)
    _logger.info(str(census))
    text = json.dumps(dataclasses.asdict(census), indent=1) + "\n"
    (app.outdir / FILE).write_text(text, encoding="utf-8")
    walkthroughs.save_steps(app.outdir, typed(app.env))


def setup(app: Sphinx) -> None:
    """Count the blocks of each page that is read, and show and write the census."""
    app.add_directive("census", CensusDirective)
    app.connect("doctree-read", read)
    app.connect("env-updated", showing)
    app.connect("doctree-resolved", show)
    app.connect("build-finished", finish)
