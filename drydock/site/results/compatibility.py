"""``{compatibility}``: the claims and transcripts that each engine upholds, and the reasons for those it doesn't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from docutils import nodes
from sphinx.application import Sphinx

from drydock.model.evidence import DEFAULT_ENGINE, Claim, Replayed, Run
from drydock.model.example import Example
from drydock.site.blocks.code import page_link
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.pages import FOLDER
from drydock.site.render.inline import inline_nodes
from drydock.site.render.tables import Cell, node_table
from drydock.site.repository import get_repository

#: So many claims of one example and one reason are named; of more, the example's own page has the sentences.
FEW = 3
OUTDATED = "not verified since the last change"


class CompatibilityDirective(ExampleDirective):
    """``{compatibility}``: a table of examples and engines, and below it what each engine does not uphold."""

    required_arguments = 0

    def make_nodes(self) -> list[nodes.Node]:
        """Return the table and a section for each engine, or nothing if nothing was recorded."""
        self.env.note_dependency(f"{FOLDER}/index.md")
        runs = {example: self._runs(example) for example in map(self.example, get_repository(self.env).examples)}
        keys = sorted(
            {key for by_engine in runs.values() for key in by_engine}, key=lambda key: (key != DEFAULT_ENGINE, key)
        )
        if not keys:
            return []
        heads = {key: self._head(key) for key in keys}
        rows = [self._row(example, by_engine, keys) for example, by_engine in runs.items()]
        rows.append(
            [
                [nodes.strong("", "All")],
                *([nodes.Text(_share([by_engine.get(key) for by_engine in runs.values()]))] for key in keys),
            ]
        )
        table: list[nodes.Node] = [node_table(["Example", *heads.values()], rows, "drydock-compatibility")]
        return table + [section for key in keys if (section := self._section(heads[key], key, runs))]

    def _head(self, key: str) -> str:
        """Return the engine's name as a column's heading, from the first example that was recorded on it."""
        every = (
            get_repository(self.env).evidence(example).runs for example in get_repository(self.env).examples.values()
        )
        return next(runs[key].heading for runs in every if key in runs)

    def _runs(self, example: Example) -> dict[str, Run | None]:
        """Return the example's runs by engine; None in the place of one that speaks of other files."""
        fresh = get_repository(self.env).current_runs(example)
        return {key: fresh.get(key) for key in get_repository(self.env).evidence(example).runs}

    def _row(self, example: Example, runs: dict[str, Run | None], keys: Sequence[str]) -> list[Cell]:
        link = page_link(self.env, example.slug, example.slug)
        return [[link], *([nodes.Text(_share([runs[key]]) if key in runs else "not run")] for key in keys)]

    def _section(self, name: str, key: str, runs: Mapping[Example, Mapping[str, Run | None]]) -> nodes.section | None:
        """Return what the engine does not uphold: each reason, and below it the examples; None if it upholds all."""
        reasons: dict[str, nodes.bullet_list] = {}
        for example, by_engine in runs.items():
            for reason, what in _not_upheld(by_engine.get(key)).items():
                link = page_link(self.env, example.slug, example.slug)
                line = nodes.paragraph("", "", link, nodes.Text(": "), *inline_nodes(what))
                heading = reason[:1].upper() + reason[1:]
                reasons.setdefault(heading, nodes.bullet_list()).append(nodes.list_item("", line))
        if not reasons:
            return None
        title = f"Not upheld on {name}"
        section = nodes.section("", nodes.title("", title), names=[nodes.fully_normalize_name(title)])
        section["classes"].append("drydock-gaps")
        section += nodes.paragraph("", f"It upholds {_share([by_engine.get(key) for by_engine in runs.values()])}.")
        for reason in sorted(reasons, key=str.casefold):
            section += nodes.paragraph("", "", *inline_nodes(f"{reason}:"))
            section += reasons[reason]
        self.state.document.note_implicit_target(section, section)
        return section


def _share(runs: Sequence[Run | None]) -> str:
    """Return how many of the claims and transcripts of `runs` were upheld."""
    recorded = [run for run in runs if run is not None]
    if not recorded:
        return OUTDATED
    claims = [claim for run in recorded for claim in run.claims.values()]
    replayed = [transcript for run in recorded for transcript in run.transcripts.values()]
    return f"{_upheld(claims)} claims, {_upheld(replayed)} transcripts"


def _upheld(results: Sequence[Claim] | Sequence[Replayed]) -> str:
    return f"{sum(one.outcome == 'passed' for one in results)} of {len(results)}"


def _not_upheld(run: Run | None) -> dict[str, str]:
    """Return, by the reason, what `run` did not uphold; of many claims or transcripts, how many they are."""
    claims: dict[str, list[str]] = {}
    replayed: dict[str, list[str]] = {}
    for claim in run.claims.values() if run else ():
        if claim.outcome != "passed":
            claims.setdefault(claim.reason or claim.outcome, []).append(claim.sentence)
    for name, transcript in run.transcripts.items() if run else ():
        if transcript.outcome != "passed":
            replayed.setdefault(transcript.reason or transcript.outcome, []).append(name)
    return {
        reason: " ".join(
            [
                *_few_names(claims.get(reason, []), " ", "{} claims."),
                *_few_names(replayed.get(reason, []), ", ", "{} transcripts.", "Transcripts: {}."),
            ]
        )
        for reason in {**claims, **replayed}
    }


def _few_names(names: Sequence[str], between: str, many: str, few: str = "{}") -> list[str]:
    """Return the names in one text, or their number if they are many, or nothing if there are none."""
    if not names:
        return []
    return [few.format(between.join(names)) if len(names) <= FEW else many.format(len(names))]


def setup(app: Sphinx) -> None:
    """Add the directive."""
    app.add_directive("compatibility", CompatibilityDirective)
