"""``{mutants}``: how many mutants the tests of each example kill, and which survive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docutils import nodes
from sphinx.application import Sphinx

from drydock.model.expectations import FOLDER
from drydock.model.mutants import is_current
from drydock.model.mutation_scores import SCORES_FILE, Score, load_scores
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.render.inline import InlineText
from drydock.site.render.tables import text_table
from drydock.site.repository import get_repository

HEAD = ("Example", "Mutants", "Killed", "Equivalent", "Survived")


class MutantsDirective(ExampleDirective):
    """``{mutants}``: a table of the examples that have not changed since all their mutants were tried."""

    required_arguments = 0

    def make_nodes(self) -> list[nodes.Node]:
        """Return the table, with its totals as the last row; nothing if no score is current."""
        repository = get_repository(self.env)
        top = repository.top
        for path in [top / SCORES_FILE, *(top / FOLDER).glob("*.toml")]:
            self.env.note_dependency(path)
        scores = {slug: score for slug, score in load_scores(top).items() if slug in repository.examples}
        current = {slug: score for slug, score in scores.items() if is_current(score, self.example(slug), top)}
        if not current:
            return []
        body = [_row(slug, score) for slug, score in current.items()]
        whole = [sum(count) for count in zip(*map(_counts, current.values()), strict=True)]
        body.append([InlineText(f"all {len(current)} of {len(repository.examples)}"), *_counted(whole)])
        return [text_table(HEAD, body, "drydock-mutants", stub=True)]


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
