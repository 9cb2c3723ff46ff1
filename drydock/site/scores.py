"""``{mutants}``: how many small faults the tests of each example noticed, and which they did not."""

from __future__ import annotations

from docutils import nodes

from drydock.mutants import FILE, RESULTS, Score, load
from drydock.site.directives import ExampleDirective
from drydock.site.sentences import Said
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


def _counts(score: Score) -> tuple[int, ...]:
    return score.tried, score.killed, score.equivalent, len(score.survivors)


def _row(slug: str, score: Score) -> list[Said]:
    *counts, survivors = _counts(score)
    listed = f": {'; '.join(f'`{survivor}`' for survivor in score.survivors)}" if survivors else ""
    return [Said(slug), *(Said(str(count)) for count in counts), Said(f"{survivors}{listed}")]
