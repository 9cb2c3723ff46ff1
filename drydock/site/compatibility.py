"""``{compatibility}``: what each example proved on which engine, and where the engines differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from docutils import nodes

from drydock.evidence import DEFAULT_ENGINE, Claim, Replayed, Run
from drydock.example import Example
from drydock.site.blocks import page_link
from drydock.site.directives import ExampleDirective
from drydock.site.own_page import heading
from drydock.site.pages import FOLDER
from drydock.site.sentences import Said
from drydock.site.shelf import shelf
from drydock.site.tables import Cell, rows as rows_of, table

OUTDATED = "not verified since the last change"


class CompatibilityDirective(ExampleDirective):
    """``{compatibility}``: the examples by engines, and below it every claim that an engine does not uphold."""

    required_arguments = 0

    def shown(self) -> list[nodes.Node]:
        """Return the two tables; nothing where nothing was recorded."""
        self.env.note_dependency(f"{FOLDER}/index.md")
        runs = {example: self._runs(example) for example in map(self.example, shelf(self.env).examples)}
        keys = sorted({key for each in runs.values() for key in each}, key=lambda key: (key != DEFAULT_ENGINE, key))
        if not keys:
            return []
        heads = {key: self._head(key) for key in keys}
        rows = [self._row(example, each, keys) for example, each in runs.items()]
        rows.append(
            [
                [nodes.strong("", "All")],
                *([nodes.Text(_share([each.get(key) for each in runs.values()]))] for key in keys),
            ]
        )
        found: list[nodes.Node] = [table(["Example", *heads.values()], rows, "drydock-compatibility")]
        gaps = [gap for example, each in runs.items() for gap in self._gaps(example, each, heads)]
        return [*found, rows_of(["Example", "On", "Not upheld", "Why"], gaps, "drydock-gaps")] if gaps else found

    def _head(self, key: str) -> str:
        """Return the engine's name as a column's heading, from the first example that was recorded on it."""
        every = (shelf(self.env).evidence(example).runs for example in shelf(self.env).examples.values())
        return next(heading(runs[key]) for runs in every if key in runs)

    def _runs(self, example: Example) -> dict[str, Run | None]:
        """Return the example's runs by engine; None in the place of one that speaks of other files."""
        fresh = shelf(self.env).fresh(example)
        return {key: fresh.get(key) for key in shelf(self.env).evidence(example).runs}

    def _row(self, example: Example, runs: dict[str, Run | None], keys: Sequence[str]) -> list[Cell]:
        link = page_link(self.env, example.slug, example.slug)
        return [[link], *([nodes.Text(_share([runs[key]]) if key in runs else "not run")] for key in keys)]

    def _gaps(self, example: Example, runs: dict[str, Run | None], heads: dict[str, str]) -> Iterator[list[Said]]:
        for key, run in runs.items():
            for what, reason in _not_upheld(run):
                yield [Said(example.slug), Said(heads[key]), Said(what), Said(reason)]


def _share(runs: Sequence[Run | None]) -> str:
    """Return how many of the claims and transcripts of `runs` were upheld."""
    known = [run for run in runs if run is not None]
    if not known:
        return OUTDATED
    claims = [claim for run in known for claim in run.claims.values()]
    replayed = [each for run in known for each in run.transcripts.values()]
    return f"{_upheld(claims)} claims, {_upheld(replayed)} transcripts"


def _upheld(each: Sequence[Claim] | Sequence[Replayed]) -> str:
    return f"{sum(one.outcome == 'passed' for one in each)} of {len(each)}"


def _not_upheld(run: Run | None) -> Iterator[tuple[str, str]]:
    """Yield what `run` did not uphold, and why. Transcripts that were skipped for one reason are one line."""
    if run is None:
        return
    for claim in run.claims.values():
        if claim.outcome != "passed":
            yield claim.sentence, claim.reason or claim.outcome
    reasons = {each.reason or each.outcome for each in run.transcripts.values() if each.outcome != "passed"}
    for reason in sorted(reasons):
        names = [name for name, each in run.transcripts.items() if (each.reason or each.outcome) == reason]
        yield f"transcripts: {', '.join(names)}", reason
