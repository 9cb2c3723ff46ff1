"""``{mutants}``: how many mutants the tests of each example kill. ``{tests}``: how many tests Drydock itself has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from drydock.errors import MissingError
from drydock.model.expectations import FOLDER
from drydock.model.mutants import is_current
from drydock.model.mutation_scores import SCORES_FILE, Score, load_scores
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.render.inline import InlineText
from drydock.site.render.tables import text_table
from drydock.site.repository import get_repository
from drydock.site.warn import warn_of

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


class TestsRole(SphinxRole):
    """``{tests}`tests/fuzz` ``: the number of test functions in a file or a folder."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number; a path without tests is an author's mistake."""
        path = get_repository(self.env).top / self.text
        files = sorted(path.rglob("test_*.py")) if path.is_dir() else [path] if path.is_file() else []
        count = 0
        for file in files:
            self.env.note_dependency(file)
            count += len(re.findall(r"^def test_", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE))
        if not count:
            warn_of(MissingError(f"no tests in {self.text!r}"), self.env, self.get_location())
        return [nodes.Text(f"{count:,}")], []


def _counted(counts: Iterable[int]) -> Iterator[InlineText]:
    return (InlineText(f"{count:,}") for count in counts)


def _counts(score: Score) -> tuple[int, ...]:
    return score.tried, score.killed, len(score.equivalent), len(score.survivors)


def _row(slug: str, score: Score) -> list[InlineText]:
    *counts, survivors = _counts(score)
    listed = f": {'; '.join(f'`{survivor}`' for survivor in score.survivors)}" if survivors else ""
    return [InlineText(slug), *_counted(counts), InlineText(f"{survivors}{listed}")]


def setup(app: Sphinx) -> None:
    """Add the directive and the role."""
    app.add_directive("mutants", MutantsDirective)
    app.add_role("tests", TestsRole())
