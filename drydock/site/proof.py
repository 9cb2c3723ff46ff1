"""What proves a page, and the whole site: the claims that a page rests on, and the totals of all runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from markupsafe import Markup
from sphinx.util.docutils import SphinxDirective

from drydock.errors import MalformedError
from drydock.evidence import DEFAULT_ENGINE, Claim, Run
from drydock.site.blocks import engine, facts, page_link, prose, told
from drydock.site.census import count
from drydock.site.directives import ExampleDirective
from drydock.site.own_page import heading
from drydock.site.pages import current
from drydock.site.shelf import shelf

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

    from drydock.example import Example


class ClaimsDirective(ExampleDirective):
    """``{claims}``: the claims of every example that the page has named above, to be opened."""

    required_arguments = 0

    def shown(self) -> list[nodes.Node]:
        """Return a sentence with their count, and a list of them for each example."""
        known = shelf(self.env)
        runs = {example: known.fresh(example) for example in map(known.example, known.named(self.env))}
        upheld = sum(_upheld(each[DEFAULT_ENGINE]) for each in runs.values() if DEFAULT_ENGINE in each)
        said = f"This page rests on {upheld} claims, each a test that passed."
        found: list[nodes.Node] = [nodes.paragraph("", said, classes=["drydock-proof"])]
        for example, each in runs.items():
            found += self._of(example, each)
        return found

    def _of(self, example: Example, runs: dict[str, Run]) -> list[nodes.Node]:
        if not runs:
            return []
        on = ", ".join(f"{_upheld(run)} of {len(run.claims)} on {heading(run)}" for run in runs.values())
        return [
            _raw(Markup('<details class="drydock-rests"><summary>{}: {}</summary>').format(example.slug, on)),
            nodes.paragraph("", "", nodes.Text("Claims of "), page_link(self.env, example.slug, example.slug)),
            nodes.bullet_list("", *map(_item, runs.get(DEFAULT_ENGINE, next(iter(runs.values()))).claims.values())),
            _raw(Markup("</details>")),
        ]


def _item(claim: Claim) -> nodes.list_item:
    """Return the claim as a line. On which engines it holds is on the example's page."""
    doubt = [] if claim.outcome == "passed" else [nodes.Text(f" ({claim.outcome}: {claim.reason})")]
    return nodes.list_item("", nodes.paragraph("", "", *prose(claim.sentence), *doubt))


def _raw(html: Markup) -> nodes.raw:
    return nodes.raw("", str(html), format="html")


def _upheld(run: Run) -> int:
    return sum(claim.outcome == "passed" for claim in run.claims.values())


def _replayed(run: Run) -> int:
    return sum(each.steps for each in run.transcripts.values() if each.outcome == "passed")


class TotalsDirective(SphinxDirective):
    """``{totals}``: blocks, commands, claims, engines, date. Their place is held until all pages are read."""

    def run(self) -> list[nodes.Node]:
        """Return what holds their place."""
        current(self.env).census = True
        return [nodes.container("", drydock_totals=True)]


def show(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the totals where their place was held."""
    for node in list(doctree.findall(nodes.container)):
        if "drydock_totals" in node:
            node.replace_self(_totals(app.env))


def _totals(env: BuildEnvironment) -> nodes.Node:
    census = count(env)
    runs = [_fresh(env, example) for example in shelf(env).examples.values()]
    engines = {key: heading(run) for each in runs for key, run in each.items()}
    default = sorted((each[DEFAULT_ENGINE] for each in runs if DEFAULT_ENGINE in each), key=lambda run: run.date)
    lines: list[list[nodes.Node]] = [
        _number(census.blocks, nodes.Text("code blocks, all of them from tested examples")),
        _number(sum(map(_replayed, default)), nodes.Text("commands run, their output compared")),
        _number(sum(_upheld(run) for run in default), nodes.Text("claims, each asserted by a test")),
        _number(len(engines), told("engine" if len(engines) == 1 else "engines", ", ".join(engines.values()))),
    ]
    if default:
        last = default[-1]
        lines.append(_fact(last.date, told(f"last run, on {engine(last)}", facts(last))))
    items = [nodes.list_item("", nodes.paragraph("", "", *line)) for line in lines]
    return nodes.bullet_list("", *items, classes=["drydock-totals"])


def _fresh(env: BuildEnvironment, example: Example) -> dict[str, Run]:
    """Return its runs; none where `checks` has said why there are none."""
    try:
        return shelf(env).fresh(example)
    except MalformedError:
        return {}


def _number(value: int, what: nodes.Node) -> list[nodes.Node]:
    return _fact(f"{value:,}", what)


def _fact(value: str, what: nodes.Node) -> list[nodes.Node]:
    return [nodes.strong("", value), nodes.Text(" "), what]
