"""The claims of the examples that a page shows, and the totals of all runs."""

from __future__ import annotations

from dataclasses import dataclass

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.environment import BuildEnvironment

from drydock.errors import MalformedError
from drydock.model import walkthroughs
from drydock.model.evidence import DEFAULT_ENGINE, Claim, Run
from drydock.model.example import Example
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.checks.census import take_census
from drydock.site.pages import current_page, example_docname
from drydock.site.render.deferred import defer
from drydock.site.render.inline import InlineText, to_html, to_markdown
from drydock.site.render.whole_site import WholeSiteDirective
from drydock.site.repository import get_repository
from drydock.site.results.walkthroughs import FollowedPage

#: A page with more examples than this only links their claims, which would be most of its weight.
LISTED = 8


class ClaimsDirective(ExampleDirective):
    """``{claims}``: the claims of all examples that the page has named above, in parts that open."""

    required_arguments = 0

    def make_nodes(self) -> list[nodes.Node]:
        """Return a sentence with their count, and a list of them for each example."""
        repository = get_repository(self.env)
        runs = {
            example: repository.current_runs(example)
            for example in map(repository.example, current_page(self.env).examples)
        }
        upheld = sum(
            by_engine[DEFAULT_ENGINE].passed_claims for by_engine in runs.values() if DEFAULT_ENGINE in by_engine
        )
        summary = f"This page rests on {upheld} claims, each a test that passed."
        # A search is to find the pages that tell of it; many rest on a claim that is about something else.
        lists = nodes.container("", classes=["no-search"])
        for example, by_engine in runs.items():
            lists += self._claims_of(example, by_engine, listed=len(runs) <= LISTED)
        self.env.note_dependency(repository.top / walkthroughs.WALKTHROUGHS_FILE)
        return [nodes.paragraph("", summary, classes=["drydock-proof"]), defer(FollowedPage()), lists]

    def _claims_of(self, example: Example, runs: dict[str, Run], *, listed: bool) -> list[nodes.Node]:
        if not runs:
            return []
        on = ", ".join(f"{run.passed_claims} of {len(run.claims)} on {run.heading}" for run in runs.values())
        run = runs.get(DEFAULT_ENGINE, next(iter(runs.values())))
        return [defer(Rests(example.slug, on, tuple(map(_claim_line, run.claims.values())) if listed else ()))]


def _claim_line(claim: Claim) -> str:
    """Return the claim as a line. On which engines it holds is on the example's page."""
    return claim.sentence + ("" if claim.outcome == "passed" else f" ({claim.outcome}: {claim.reason})")


@dataclass(frozen=True)
class Rests:
    """The claims of one example that a page rests on.

    :ivar upheld: how many of them were upheld on which engine.
    :ivar claims: none on a page that rests on too many.
    """

    slug: str
    upheld: str
    claims: tuple[str, ...]

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return them as a part that opens."""
        items = Markup("\n").join(Markup("<li><p>{}</p></li>").format(to_html(claim)) for claim in self.claims)
        uri = builder.get_relative_uri(docname, example_docname(self.slug))
        if not self.claims:
            link = Markup('<a class="reference internal" href="{}#claims">{}</a>').format(uri, self.slug)
            return Markup('<p class="drydock-rests">{}: {}</p>').format(link, self.upheld)
        return Markup(
            '<details class="drydock-rests"><summary>{0}: {1}</summary>\n'
            '<p>Claims of <a class="reference internal" href="{2}">{0}</a></p>\n'
            '<ul class="simple">\n{3}\n</ul>\n</details>'
        ).format(self.slug, self.upheld, uri, items)

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return them as a list."""
        listed = "\n".join(f"- {to_markdown(claim)}" for claim in self.claims)
        return "\n\n".join(filter(None, [f"{self.slug}: {self.upheld}", listed]))


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
