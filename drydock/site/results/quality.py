"""``{mutants}``: how many small faults the tests of each example noticed, and which they did not.

``{soak}``: whether the tests say the same each time they are run.

``{held}``: what the harness itself was tried on, by faults or by inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from docutils import nodes

from drydock.errors import MissingError, did_you_mean
from drydock.model import held, soak
from drydock.model.mutants import is_current
from drydock.model.mutation_scores import FILE, RESULTS, Score, load_scores
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.render.inline import InlineText, inline_nodes
from drydock.site.render.tables import text_table
from drydock.site.repository import get_repository

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HEAD = ("Example", "Faults", "Noticed", "Without effect", "Not noticed")


class MutantsDirective(ExampleDirective):
    """``{mutants}``: a table of the examples that have not changed since all their mutants were tried."""

    required_arguments = 0

    def shown(self) -> list[nodes.Node]:
        """Return the table, with its totals as the last row; nothing where no fault was tried."""
        known = get_repository(self.env)
        for file in (RESULTS, FILE):
            self.env.note_dependency(known.top / file)
        scores = {slug: score for slug, score in load_scores(known.top).items() if slug in known.examples}
        fresh = {slug: score for slug, score in scores.items() if is_current(score, self.example(slug), known.top)}
        if not fresh:
            return []
        body = [_row(slug, score) for slug, score in fresh.items()]
        whole = [sum(count) for count in zip(*map(_counts, fresh.values()), strict=True)]
        body.append([InlineText(f"all {len(fresh)} of {len(known.examples)}"), *_counted(whole)])
        return [text_table(HEAD, body, "drydock-mutants", stub=True)]


class SoakDirective(ExampleDirective):
    """``{soak}``: what came of running all tests again and again, or that it was not done."""

    required_arguments = 0

    def shown(self) -> list[nodes.Node]:
        """Return a table with a row per soak and one of them all, or a sentence where there was none."""
        # While there is no such file, the page is read in each build: it may have come.
        self.env.note_dependency(get_repository(self.env).top / soak.RESULTS)
        found = soak.load_soaks(get_repository(self.env).top)
        if not found:
            return [nodes.paragraph("", "", *inline_nodes(UNSOAKED))]
        body = [[InlineText(each.date), InlineText(f"`{each.engine}`"), *_counted(_soaked(each))] for each in found]
        whole = [sum(count) for count in zip(*map(_soaked, found), strict=True)]
        body.append([InlineText("all"), InlineText(""), *_counted(whole)])
        return [text_table(SOAKED, body, "drydock-soaks", stub=True)]


SOAKED = (
    "Until",
    "Engine",
    "Runs",
    "Under load",
    "Tests run",
    "Failures",
    "Retries",
    "Left behind",
    "Differences",
)


class HeldDirective(ExampleDirective):
    """``{held} faults`` or ``{held} fuzz``: on how much the harness was tried, and a table of what has to hold."""

    def shown(self) -> list[nodes.Node]:
        """Return a sentence with the totals, and a table that opens; or a sentence that there was no run."""
        kind = self.arguments[0]
        if kind not in held.KINDS:
            raise MissingError(f"no kind of tests {kind!r}{did_you_mean(kind, held.KINDS)}")
        self.env.note_dependency(get_repository(self.env).top / held.RESULTS)
        found = held.load(get_repository(self.env).top).get(kind)
        if not found:
            return [nodes.paragraph("", "", *inline_nodes(f"No run of them is on record: `nox -s {kind}` makes one."))]
        where = f", on `{found.engine}`" if found.engine else ""
        tried, failed = (sum(each.tried for each in found.tests), sum(each.failed for each in found.tests))
        said = TOLD[kind].format(tests=len(found.tests), tried=tried)
        body = [[InlineText(each.says), *_counted((each.tried, each.failed))] for each in found.tests]
        return [
            nodes.paragraph("", "", *inline_nodes(f"Last on {found.date}{where}, {said}: {failed:,} failed.")),
            _raw("<details><summary>Each of them</summary>"),
            text_table(("What has to hold", TRIED[kind], "Failed"), body, "drydock-held"),
            _raw("</details>"),
        ]


#: What is counted of each kind.
TRIED = {"faults": "Ways", "fuzz": "Inputs"}
TOLD = {"faults": "{tests} faults in {tried} ways", "fuzz": "{tests} properties on {tried:,} inputs"}
#: What the page says where there is no result.
UNSOAKED = "All tests together have not been run so yet: there is no `evidence/soak.json`."


def _soaked(found: soak.Soak) -> tuple[int, ...]:
    busy = found.runs if found.busy else 0
    told = found.failures, found.retries, found.left, found.differences
    return found.runs, busy, found.runs * found.tests, *told


def _raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def _counted(counts: Iterable[int]) -> Iterator[InlineText]:
    return (InlineText(f"{count:,}") for count in counts)


def _counts(score: Score) -> tuple[int, ...]:
    return score.tried, score.killed, len(score.equivalent), len(score.survivors)


def _row(slug: str, score: Score) -> list[InlineText]:
    *counts, survivors = _counts(score)
    listed = f": {'; '.join(f'`{survivor}`' for survivor in score.survivors)}" if survivors else ""
    return [InlineText(slug), *_counted(counts), InlineText(f"{survivors}{listed}")]


def setup(app: Sphinx) -> None:
    """Add the directives."""
    app.add_directive("mutants", MutantsDirective)
    app.add_directive("soak", SoakDirective)
    app.add_directive("held", HeldDirective)
