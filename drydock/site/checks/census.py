"""The census: every block on every page, counted in what is rendered, and who owns it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePosixPath

from docutils import nodes
from jinja2 import TemplateError
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from drydock import store
from drydock.errors import MalformedError
from drydock.model import walkthroughs
from drydock.model.transcript import ANY_LINES, ANY_TEXT, REDACTIONS, Step
from drydock.site.pages import Page, all_pages, block_owner, current_page, is_generated
from drydock.site.render.inline import inline_nodes
from drydock.site.render.tables import Cell, node_table
from drydock.site.render.whole_site import WholeSiteDirective
from drydock.site.repository import get_repository
from drydock.site.results.walkthroughs import page_steps
from drydock.site.warn import Subtype, warn

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
_PLACEHOLDER = re.compile(r"(?<!\\)(?:<(" + "|".join(REDACTIONS) + r")>|" + re.escape(ANY_TEXT) + ")")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slack:
    """How much of what transcripts print is not compared to the letter, and how often a step may be repeated.

    :ivar steps: how many commands there are.
    :ivar lines: lines of output that are written out.
    :ivar exact: of these, lines that are compared to the letter.
    :ivar elided: places where any lines may stand.
    :ivar open: by placeholder, how often it stands for text within a line.
    :ivar retried: steps that are repeated until they match.
    """

    steps: int = 0
    lines: int = 0
    exact: int = 0
    elided: int = 0
    open: dict[str, int] = field(default_factory=dict)
    retried: int = 0


@dataclass(frozen=True)
class Census:
    """How much the site shows.

    :ivar blocks: all blocks: those that examples own, and the unbound ones.
    :ivar written: blocks on the pages that authors wrote; the others are on the examples' own pages.
    :ivar commands: commands in the blocks of transcripts.
    :ivar unbound: blocks that no example owns.
    :ivar hidden: steps of transcripts that run, but that no page shows.
    :ivar skipped: claims and transcripts that were skipped on the default engine, with a reason.
    :ivar placeholders: how many placeholders blocks show, for want of a record; `elided` are bare ``...``.
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
    placeholders: int = 0
    elided: int = 0
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


def count_blocks(app: Sphinx, doctree: nodes.document) -> None:
    """Count the blocks of a page that was just read, and report those that no example owns."""
    page = current_page(app.env)
    for node in filter(_is_block, doctree.findall(nodes.Element)):
        block = block_owner(node)
        if block is not None:
            if not _is_left_out(node, app):
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


def _is_left_out(node: nodes.Node, app: Sphinx) -> bool:
    """Whether an ``{only}`` around the node leaves it out of this build. A faulty condition is kept, as Sphinx does."""
    parent = node.parent
    if isinstance(parent, addnodes.only):
        with contextlib.suppress(TemplateError, ValueError):
            if not app.tags.eval_condition(parent["expr"]):
                return True
    return parent is not None and _is_left_out(parent, app)


def take_census(env: BuildEnvironment) -> Census:
    """Return the census of all pages read so far."""
    every = all_pages(env)
    blocks = [block for page in every.values() for block in page.blocks]
    kinds = Counter("region" if block.region else block.kind for block in blocks)
    steps = {(slug, name, step.line): step for slug, name, step in _all_steps(env)}
    patterns = [
        steps.get((block.slug, PurePosixPath(block.path).stem, line)) for block in blocks for line in block.patterns
    ]
    rendered = count_slack(filter(None, patterns))
    shown = {(block.slug, PurePosixPath(block.path).stem, line) for block in blocks for line in block.steps}
    return Census(
        pages=len(env.found_docs),
        examples=len(get_repository(env).examples),
        blocks=sum(map(_count_blocks, every.values())),
        written=sum(_count_blocks(page) for name, page in every.items() if not is_generated(name)),
        files=kinds["file"],
        regions=kinds["region"],
        transcripts=kinds["transcript"],
        commands=sum(len(block.steps) for block in blocks),
        unbound=sum(page.unbound for page in every.values()),
        hidden=len(steps.keys() - shown),
        skipped=sum(_all_outcomes(env, "skipped")),
        placeholders=sum(rendered.open.values()),
        elided=rendered.elided,
        slack=count_slack(steps.values()),
    )


def _all_steps(env: BuildEnvironment) -> Iterator[tuple[str, str, Step]]:
    """Yield every step with its example and transcript. Another check reports those that do not parse."""
    for slug, example in get_repository(env).examples.items():
        for name in example.transcripts:
            with contextlib.suppress(MalformedError):
                yield from ((slug, name, step) for step in example.transcript(name).steps)


def _all_outcomes(env: BuildEnvironment, outcome: str) -> Iterator[bool]:
    """Yield for every claim and transcript on the default engine whether it had that outcome."""
    for example in get_repository(env).examples.values():
        with contextlib.suppress(MalformedError):
            run = get_repository(env).evidence(example).run
            if run:
                yield from (claim.outcome == outcome for claim in run.claims.values())
                yield from (transcript.outcome == outcome for transcript in run.transcripts.values())


def count_slack(steps: Iterable[Step]) -> Slack:
    """Return how much the patterns of `steps` leave open."""
    every = list(steps)
    lines = [line for step in every for line in step.output]
    written = [line for line in lines if line != ANY_LINES]
    placeholders = [[match[0] for match in _PLACEHOLDER.finditer(line)] for line in written]
    return Slack(
        steps=len(every),
        lines=len(written),
        exact=placeholders.count([]),
        elided=len(lines) - len(written),
        open=dict(Counter(chain.from_iterable(placeholders)).most_common()),
        retried=sum(step.directives.retry > 0 for step in every),
    )


def _count_blocks(page: Page) -> int:
    return len(page.blocks) + page.unbound


class CensusDirective(WholeSiteDirective):
    """``{census}``: the census as a table."""

    @classmethod
    def fill(cls, env: BuildEnvironment) -> list[nodes.Node]:
        """Return the table."""
        return [_census_table(take_census(env))]


def _census_table(census: Census) -> nodes.table:
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
        "Placeholders that pages show": census.placeholders,
        "Places where pages show `...`": census.elided,
        "Claims and transcripts skipped": census.skipped,
        "Lines of output": census.slack.lines,
        "of these, compared to the letter": census.slack.exact,
        "Places where any lines may stand (`...`)": census.slack.elided,
        "Steps that are tried again until they match": census.slack.retried,
    } | {f"Placeholders `{placeholder}`": many for placeholder, many in census.slack.open.items()}
    cells: list[list[Cell]] = [[inline_nodes(what), [nodes.Text(str(many))]] for what, many in rows.items()]
    return node_table(["In this build", "Count"], cells, "drydock-census")


def write_census(app: Sphinx, exception: Exception | None) -> None:
    """Print the census, and write it next to the pages."""
    if exception is not None:
        return
    census = take_census(app.env)
    _logger.info(str(census))
    store.write_text(app.outdir / FILE, json.dumps(dataclasses.asdict(census), indent=1) + "\n")
    walkthroughs.save_steps(app.outdir, page_steps(app.env))


def setup(app: Sphinx) -> None:
    """Count the blocks of each page that is read, and write the census."""
    app.add_directive("census", CensusDirective)
    app.connect("doctree-read", count_blocks)
    app.connect("build-finished", write_census)
