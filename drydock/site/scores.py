"""``{mutants}``: how many small faults the tests of each example noticed, and which they did not.

``{soak}``: whether the tests say the same each time they are run.
"""

from __future__ import annotations

from docutils import nodes

from drydock import soak
from drydock.mutants import FILE, RESULTS, Score, load
from drydock.site.directives import ExampleDirective
from drydock.site.sentences import Said, prose
from drydock.site.shelf import shelf
from drydock.site.tables import rows

HEAD = ("Example", "Faults", "Noticed", "Without effect", "Not noticed")


class MutantsDirective(ExampleDirective):
    """``{mutants}``: a table of the examples whose files are those that faults were put into."""

    required_arguments = 0

    def shown(self) -> list[nodes.Node]:
        """Return the table, with its totals as the last row; nothing where no fault was tried."""
        known = shelf(self.env)
        for file in (RESULTS, FILE):
            self.env.note_dependency(known.top / file)
        scores = {slug: score for slug, score in load(known.top).items() if slug in known.examples}
        fresh = {slug: score for slug, score in scores.items() if score.digest == known.digest(self.example(slug))}
        if not fresh:
            return []
        body = [_row(slug, score) for slug, score in fresh.items()]
        whole = [sum(count) for count in zip(*map(_counts, fresh.values()), strict=True)]
        body.append([Said(f"all {len(fresh)} of {len(known.examples)}"), *(Said(f"{count:,}") for count in whole)])
        return [rows(HEAD, body, "drydock-mutants", stub=True)]


class SoakDirective(ExampleDirective):
    """``{soak}``: a sentence on what came of running all tests again and again, or that it was not done."""

    required_arguments = 0

    def shown(self) -> list[nodes.Node]:
        """Return the sentence."""
        # While there is no such file, the page is read in each build: it may have come.
        self.env.note_dependency(shelf(self.env).top / soak.RESULTS)
        found = soak.load(shelf(self.env).top)
        return [nodes.paragraph("", "", *prose(_soaked(found) if found else UNSOAKED))]


#: What the page says where there is no result.
UNSOAKED = "All tests together have not been run so yet: there is no `evidence/soak.json`."


def _soaked(found: soak.Soak) -> str:
    busy = f", while {_number(found.busy, 'process', 'es')} kept the machine busy" if found.busy else ""
    return (
        f"Last on {found.date}, on `{found.engine}`, {_number(found.tests, 'test')} ran {_number(found.runs, 'time')}, "
        f"with the examples in another order each time{busy}: {_number(found.failures, 'failure')}, "
        f"{_number(found.retries, 'retry', 'retries')} of a step, "
        f"{_number(found.left, 'thing')} left behind, {_number(found.differences, 'difference')} in all."
    )


def _number(count: int, what: str, ending: str = "s") -> str:
    """Return ``1 test`` or ``1,140 tests``; an ending of more than two letters is the whole plural."""
    plural = ending if len(ending) > 2 else what + ending
    return f"{count:,} {what if count == 1 else plural}"


def _counts(score: Score) -> tuple[int, ...]:
    return score.tried, score.killed, len(score.equivalent), len(score.survivors)


def _row(slug: str, score: Score) -> list[Said]:
    *counts, survivors = _counts(score)
    listed = f": {'; '.join(f'`{survivor}`' for survivor in score.survivors)}" if survivors else ""
    return [Said(slug), *(Said(str(count)) for count in counts), Said(f"{survivors}{listed}")]
