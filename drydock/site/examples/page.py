"""The body of an example's own page: its idea, its zip, its files, its transcripts, its claims, its measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby

from docutils import nodes
from sphinx.application import Sphinx

from drydock.errors import MalformedError
from drydock.model.evidence import Claim, Measure, Run
from drydock.model.example import Example
from drydock.site.blocks.captions import run_badge
from drydock.site.blocks.code import file_block, transcript_block
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.examples.publish import has_public_test, published_link, source_of_test, zip_link
from drydock.site.render import units
from drydock.site.render.inline import InlineText, inline_nodes
from drydock.site.render.tables import text_table
from drydock.site.repository import get_repository

#: Texts of the outcomes of a claim.
MARKS = {"passed": "✓ upheld", "failed": "✗ failed", "skipped": "skipped"}


class ExamplePageDirective(ExampleDirective):
    """``{example-page} slug``: the whole page of an example."""

    def make_nodes(self) -> list[nodes.Node]:
        """Return the example's idea, and a section for each part that it has."""
        example = self.example(self.arguments[0])
        runs = list(get_repository(self.env).current_runs(example).values())
        outdated = [run for run in get_repository(self.env).evidence(example).runs.values() if run not in runs]
        sections = {
            "Get it": _way_to_get(example),
            "Files": [_file_tree(example), *self._files(example)],
            "Transcripts": _text_blocks(lambda name: transcript_block(self.env, example, name), example.transcripts),
            "Claims": [*claims_table(runs), *_outdated_note(outdated), *_test_link(example)],
            "Measures": measures_table(runs),
        }
        idea = nodes.paragraph("", "", *inline_nodes(example.idea))
        proof = nodes.paragraph("", "", *run_badge(self.env, example).nodes(), classes=["drydock-proof"])
        return [idea, proof, *(self._section(title, body) for title, body in sections.items() if body)]

    def _section(self, title: str, body: list[nodes.Node]) -> nodes.section:
        section = nodes.section("", nodes.title("", title), *body, names=[nodes.fully_normalize_name(title)])
        # The search finds this page by its idea; without the sections, its index has half the weight.
        section["classes"].append("no-search")
        self.state.document.note_implicit_target(section, section)
        return section

    def _files(self, example: Example) -> list[nodes.Node]:
        elsewhere = {"README.md", *(f"transcripts/{name}.console" for name in example.transcripts)}
        names = [name for name in example.files if name not in elsewhere and example.path(name).stat().st_size]
        return _text_blocks(lambda name: file_block(self.env, example, name), names)


def _text_blocks(make_block: Callable[[str], nodes.Node], names: Sequence[str]) -> list[nodes.Node]:
    """Return the blocks of the files that are text; the checks report a text file with a fault."""
    blocks = []
    for name in names:
        with suppress(MalformedError):
            blocks.append(make_block(name))
    return blocks


def _way_to_get(example: Example) -> list[nodes.Node]:
    weight = units.format_size(sum(example.path(name).stat().st_size for name in example.files))
    link = nodes.paragraph("", "", zip_link(example.slug, f"Download {example.slug}.zip"))
    link += nodes.Text(f" ({len(example.files)} files, {weight}). All it needs is Docker; its README says what to run.")
    proof = nodes.paragraph("", "In a copy of this site's repository, ")
    proof += [
        nodes.literal("", f"nox -s examples -- {example.slug}"),
        nodes.Text(" runs and asserts it on your engine."),
    ]
    return [link, proof]


def _file_tree(example: Example) -> nodes.bullet_list:
    return _tree_branch(example, [name.split("/") for name in example.files], ())


def _tree_branch(example: Example, names: list[list[str]], above: tuple[str, ...]) -> nodes.bullet_list:
    """Return the files `names` (as parts of their paths, below the folder `above`) as a list with a list per folder."""
    branch = nodes.bullet_list("", classes=["drydock-tree"])
    for first, group in groupby(names, key=lambda parts: parts[0]):
        below = [rest for _, *rest in group]
        if below == [[]]:
            branch += nodes.list_item("", _tree_leaf(example, "/".join((*above, first))))
        else:
            folder = nodes.paragraph("", "", nodes.literal("", f"{first}/"))
            branch += nodes.list_item("", folder, _tree_branch(example, below, (*above, first)))
    return branch


def _tree_leaf(example: Example, path: str) -> nodes.paragraph:
    link = published_link(example.slug, path, "")
    link += nodes.literal("", path.rpartition("/")[2])
    return nodes.paragraph("", "", link, nodes.Text(f" {units.format_size(example.path(path).stat().st_size)}"))


def claims_table(runs: list[Run]) -> list[nodes.Node]:
    """Return a table of the claims of all `runs`, with a column per engine for their outcomes."""
    tests = dict.fromkeys(test for run in runs for test in run.claims)
    if not tests:
        return []
    body = [[_claim_sentence(test, runs), *(_outcome_mark(run.claims.get(test)) for run in runs)] for test in tests]
    return [text_table(["Claim", *(f"{run.heading} · {run.date}" for run in runs)], body, "drydock-claims")]


def _test_link(example: Example) -> list[nodes.Node]:
    if not has_public_test(example):
        return []
    text = "Each claim is the docstring of a test that asserts it: "
    return [nodes.paragraph("", "", nodes.Text(text), source_of_test(example), nodes.Text("."))]


def _outdated_note(runs: list[Run]) -> list[nodes.Node]:
    names = ", ".join(run.heading for run in runs)
    return [nodes.paragraph("", f"Not verified since the last change: {names}.")] if runs else []


def _claim_sentence(test: str, runs: list[Run]) -> InlineText:
    return InlineText(next(run.claims[test].sentence for run in runs if test in run.claims))


def _outcome_mark(claim: Claim | None) -> InlineText:
    if claim is None:
        return InlineText("not asked")
    reason = f": {claim.reason}" if claim.reason else ""
    return InlineText(f"{MARKS[claim.outcome]}{reason}", kind=f"drydock-{claim.outcome}")


def measures_table(runs: list[Run]) -> list[nodes.Node]:
    """Return a table of the measures of all `runs`, with a column per engine."""
    names = sorted({name for run in runs for name in run.measures})
    if not names:
        return []
    body = [[InlineText(name), *(_measure_cell(run.measures.get(name), run) for run in runs)] for name in names]
    return [text_table(["Measure", *(f"{run.heading} · {run.date}" for run in runs)], body, "drydock-measures")]


def _measure_cell(measure: Measure | None, run: Run) -> InlineText:
    return (
        InlineText(units.format_measure(measure), f"measured on {run.details}") if measure else InlineText("not taken")
    )


def setup(app: Sphinx) -> None:
    """Add the directive."""
    app.add_directive("example-page", ExamplePageDirective)
