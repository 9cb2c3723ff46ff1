"""The claims of the examples that a page shows, and the totals of all runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.environment import BuildEnvironment

from drydock.errors import MalformedError
from drydock.model import proofs, walkthroughs
from drydock.model.evidence import DEFAULT_ENGINE, Claim, Run
from drydock.model.example import Example
from drydock.model.transcript import Step
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.checks.census import take_census
from drydock.site.pages import Block, block_owner, example_docname
from drydock.site.render.deferred import defer
from drydock.site.render.inline import InlineText, to_html, to_markdown
from drydock.site.render.whole_site import WholeSiteDirective
from drydock.site.repository import Repository, get_repository
from drydock.site.results.walkthroughs import FollowedPage


class ClaimsDirective(ExampleDirective):
    """``{claims}``: the claims that the blocks above it on the page prove, in parts that open."""

    required_arguments = 0

    def make_nodes(self) -> list[nodes.Node]:
        """Return a sentence with their count, if there are any, and a list of them for each example."""
        repository = get_repository(self.env)
        blocks = [block for node in self.state.document.findall(nodes.literal_block) if (block := block_owner(node))]
        slugs = dict.fromkeys(block.slug for block in blocks)
        parts = [_page_proof(repository, slug, blocks) for slug in slugs]
        count = sum(part.count for part in parts)
        summary = f"Tests prove {count} claim{'' if count == 1 else 's'} with the commands and files on this page."
        proof = [nodes.paragraph("", summary, classes=["drydock-proof"])] if count else []
        # A search is to find the pages that tell of it; many rest on a claim that is about something else.
        lists = nodes.container("", *(defer(part) for part in parts if part.claims), classes=["no-search"])
        self.env.note_dependency(repository.top / walkthroughs.WALKTHROUGHS_FILE)
        return [*proof, defer(FollowedPage()), lists]


def _page_proof(repository: Repository, slug: str, blocks: list[Block]) -> PageProof:
    """Return the claims of the example `slug` that those of the page's `blocks` prove that are its own."""
    example = repository.example(slug)
    own = [block for block in blocks if block.slug == slug]
    use = proofs.command_use(example, [step.command for block in own for step in _shown_steps(example, block)])
    use.files.update(block.path for block in own if block.kind == "file")
    proven = {test for test, run in proofs.test_uses(example).items() if use.covers(run)}
    claims = {
        run.heading: [claim for test, claim in run.claims.items() if test in proven]
        for run in repository.current_runs(example).values()
    }
    upheld = {heading: sum(claim.outcome == "passed" for claim in of) for heading, of in claims.items()}
    on = ", ".join(f"{upheld[heading]} of {len(of)} on {heading}" for heading, of in claims.items())
    first = next(iter(claims), "")
    return PageProof(slug, on, tuple(map(_claim_line, claims.get(first, []))), upheld.get(first, 0))


def _shown_steps(example: Example, block: Block) -> list[Step]:
    if block.kind != "transcript":
        return []
    steps = example.transcript(PurePosixPath(block.path).stem).steps
    return [step for step in steps if step.line in block.steps]


def _claim_line(claim: Claim) -> str:
    """Return the claim as a line. On which engines it holds is on the example's page."""
    return claim.sentence + ("" if claim.outcome == "passed" else f" ({claim.outcome}: {claim.reason})")


@dataclass(frozen=True)
class PageProof:
    """The claims of one example that a page proves.

    :ivar upheld: how many of them were upheld on which engine.
    :ivar count: how many of them were upheld on the first of these engines.
    """

    slug: str
    upheld: str
    claims: tuple[str, ...]
    count: int

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return them as a part that opens."""
        items = Markup("\n").join(Markup("<li><p>{}</p></li>").format(to_html(claim)) for claim in self.claims)
        uri = builder.get_relative_uri(docname, example_docname(self.slug))
        return Markup(
            '<details class="drydock-rests"><summary>{0}: {1}</summary>\n'
            '<p>All claims of <a class="reference internal" href="{2}#claims">{0}</a></p>\n'
            '<ul class="simple">\n{3}\n</ul>\n</details>'
        ).format(self.slug, self.upheld, uri, items)

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return them as a list."""
        listed = "\n".join(f"- {to_markdown(claim)}" for claim in self.claims)
        return f"{self.slug}: {self.upheld}\n\n{listed}"


def _passed_steps(run: Run) -> int:
    return sum(transcript.steps for transcript in run.transcripts.values() if transcript.outcome == "passed")


class TotalsDirective(WholeSiteDirective):
    """``{totals}``: the numbers of blocks, commands, claims, and engines, and the date of the last run."""

    @classmethod
    def fill(cls, env: BuildEnvironment) -> list[nodes.Node]:
        """Return them as a list."""
        return [_totals(env)]


def _totals(env: BuildEnvironment) -> nodes.Node:
    census = take_census(env)
    runs = [_current_runs(env, example) for example in get_repository(env).examples.values()]
    engines = {key: run.heading for each in runs for key, run in each.items()}
    default = sorted((each[DEFAULT_ENGINE] for each in runs if DEFAULT_ENGINE in each), key=lambda run: run.date)
    lines: list[list[nodes.Node]] = [
        _number(census.blocks, nodes.Text("code blocks, all of them from tested examples")),
        _number(sum(map(_passed_steps, default)), nodes.Text("commands run, their output compared")),
        _number(sum(run.passed_claims for run in default), nodes.Text("claims, each asserted by a test")),
        _number(
            len(engines), *InlineText("engine" if len(engines) == 1 else "engines", ", ".join(engines.values())).nodes()
        ),
    ]
    if default:
        last = default[-1]
        lines.append(_fact(last.date, *InlineText(f"last run, on {last.label}", last.details).nodes()))
    items = [nodes.list_item("", nodes.paragraph("", "", *line)) for line in lines]
    return nodes.bullet_list("", *items, classes=["drydock-totals"])


def _current_runs(env: BuildEnvironment, example: Example) -> dict[str, Run]:
    """Return its current runs, or none if its evidence does not parse, which the checks report."""
    try:
        return get_repository(env).current_runs(example)
    except MalformedError:
        return {}


def _number(value: int, *what: nodes.Node) -> list[nodes.Node]:
    return _fact(f"{value:,}", *what)


def _fact(value: str, *what: nodes.Node) -> list[nodes.Node]:
    return [nodes.strong("", value), nodes.Text(" "), *what]


def setup(app: Sphinx) -> None:
    """Add the directives."""
    app.add_directive("claims", ClaimsDirective)
    app.add_directive("totals", TotalsDirective)
