"""Nodes of a block: its caption and its code. Standard nodes carry the data in attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from docutils import nodes
from sphinx import addnodes
from sphinx.environment import BuildEnvironment

from drydock.errors import MalformedError, MissingError
from drydock.model.evidence import RUNS_FOLDER
from drydock.model.example import Example
from drydock.model.records import PrintedLine, printed_lines, shorten_elided
from drydock.model.transcript import Step, is_open, unescape_line
from drydock.site import pages
from drydock.site.blocks import fold
from drydock.site.blocks.captions import Badge, Caption, run_badge
from drydock.site.blocks.lexer import guess_lexer, shield_line
from drydock.site.pages import Block
from drydock.site.render.deferred import defer
from drydock.site.render.inline import inline_nodes
from drydock.site.repository import get_repository


def file_block(env: BuildEnvironment, example: Example, path: str, region: str = "", lexer: str = "") -> nodes.Node:
    """Return a file of `example`, or one of its regions, as a block.

    :raises MissingError: no such file or region.
    :raises MalformedError: the file, its regions or the evidence do not parse.
    """
    text = example.shown(path, region or None)
    return _block_node(
        env, example, Block(example.slug, path, region=region), text, lexer or guess_lexer(path, example.read(path))
    )


def transcript_block(env: BuildEnvironment, example: Example, name: str, steps: Sequence[str] = ()) -> nodes.Node:
    """Return the transcript `name`, or only those of its steps that are named, as a block.

    It shows what the steps printed in the run that pages show; without records, the patterns of the transcript.

    :raises MissingError: no such transcript or step, or no record of a step although others have one.
    :raises MalformedError: the transcript or the evidence doesn't parse, or a record doesn't match.
    """
    picked = example.transcript(name).pick(steps)
    records = _read_records(env, example, name, picked)
    patterns = tuple(step.line for step in picked if step.line not in records and any(map(is_open, step.output)))
    at = tuple(step.line for step in picked)
    block = Block(example.slug, f"transcripts/{name}.console", "transcript", steps=at, patterns=patterns)
    text: list[str] = []
    sizes: list[tuple[int, bool]] = []
    elided: list[fold.Fold] = []
    varying: dict[int, Sequence[fold.Range]] = {}
    for step in picked:
        printed = records.get(step.line, [])
        first = len(text) + step.command.count("\n") + 1
        lines = shown_lines(step, [line.text for line in printed] if step.line in records else None)
        text += lines
        sizes.append((len(lines), step.status != 0))
        elided += fold.elided_folds(printed, first)
        varying |= {first + row: line.varying for row, line in enumerate(printed) if line.varying}
    return _block_node(env, example, block, "\n".join(text), "console", fold.all_folds(sizes, elided), varying)


def _read_records(
    env: BuildEnvironment, example: Example, name: str, picked: Sequence[Step]
) -> dict[int, list[PrintedLine]]:
    """Return what the `picked` steps printed, by their line; nothing of those that printed what the transcript has."""
    evidence = get_repository(env).evidence(example)
    run = evidence.shown_run(name)
    if run is None or run.digest != example.digest() or not any(one.records for one in run.transcripts.values()):
        return {}  # no run of the example as it is, or one from before there were records
    file, remedy = f"{RUNS_FOLDER}/{example.slug}.json", f"run: nox -s record -- {example.slug}"
    replayed = run.transcripts.get(name)
    if replayed is not None and replayed.outcome == "skipped":
        return {}  # the engine can't run it
    records = replayed.records if replayed is not None else {}
    printed = {}
    for number, step in enumerate(example.transcript(name).steps, 1):
        what = f"{run.label}, transcript {name}, step {number} (line {step.line})"
        record = records.get(str(number))
        if step not in picked or (record is None and not any(map(is_open, step.output))):
            continue
        if record is None:
            raise MissingError(f"no record in {file}: {what}; {remedy}")
        try:
            printed[step.line] = shorten_elided(printed_lines(step.output, record))
        except ValueError as error:
            raise MalformedError(file, 0, f"{what}: {error}; {remedy}") from None
    return printed


def shown_lines(step: Step, output: Sequence[str] | None = None) -> list[str]:
    """Return the lines of `step` as a reader sees them. The output is shielded: it can look like a prompt.

    :param output: what it printed; None for the patterns.
    """
    first, *rest = step.command.split("\n")
    printed = map(unescape_line, step.output) if output is None else output
    status = [f"[exit {step.status}]"] if step.status else []
    return [f"$ {first}", *(f"> {line}" for line in rest), *map(shield_line, printed), *status]


def _block_node(
    env: BuildEnvironment,
    example: Example,
    block: Block,
    text: str,
    lexer: str,
    folds: Sequence[fold.Fold] = (),
    varying: Mapping[int, Sequence[fold.Range]] | None = None,
) -> nodes.Node:
    code = nodes.literal_block(text, text, language=lexer, drydock=vars(block).copy())
    code["force"] = True  # no warning where a file has a mistake on purpose
    if folds or varying:
        code[fold.KEY] = folds, varying or {}
    caption = Caption(block.slug, block.path, block.region)
    badge = Badge(run_badge(env, example, block), reports=True)
    # The search index has commands and what they print; files would double it.
    unsearched = ["no-search"] if block.kind == "file" else []
    return nodes.container(
        "", defer(caption), code, defer(badge), classes=["drydock-block", f"drydock-{block.kind}", *unsearched]
    )


def page_link(env: BuildEnvironment, slug: str, text: str) -> nodes.Node:
    """Return a link to the example's own page; Sphinx resolves it as it suits the builder."""
    attributes = {"refdomain": "std", "reftype": "doc", "refexplicit": True, "refwarn": True, "refdoc": env.docname}
    return addnodes.pending_xref("", *inline_nodes(text), reftarget=f"/{pages.example_docname(slug)}", **attributes)
