"""Nodes of a block: its caption and its code. Standard nodes carry the data in attributes."""

from __future__ import annotations

from collections.abc import Sequence

from docutils import nodes
from sphinx import addnodes
from sphinx.environment import BuildEnvironment

from drydock.model.example import Example
from drydock.model.transcript import Step, unescape_line
from drydock.site import pages
from drydock.site.blocks import fold
from drydock.site.blocks.captions import Caption, run_badge
from drydock.site.blocks.lexer import guess_lexer, shield_line
from drydock.site.pages import Block
from drydock.site.render.deferred import defer
from drydock.site.render.inline import inline_nodes


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

    :raises MissingError: no such transcript or step.
    :raises MalformedError: the transcript or the evidence do not parse.
    """
    picked = example.transcript(name).pick(steps)
    at = tuple(step.line for step in picked)
    block = Block(example.slug, f"transcripts/{name}.console", "transcript", steps=at)
    shown = [shown_lines(step) for step in picked]
    folds = fold.fold_ranges([(len(lines), step.status != 0) for lines, step in zip(shown, picked, strict=True)])
    return _block_node(env, example, block, "\n".join(line for lines in shown for line in lines), "console", folds)


def shown_lines(step: Step) -> list[str]:
    """Return the lines of `step` as a reader sees them. The output is shielded: it can look like a prompt."""
    first, *rest = step.command.split("\n")
    output = [shield_line(unescape_line(line)) for line in step.output]
    status = [f"[exit {step.status}]"] if step.status else []
    return [f"$ {first}", *(f"> {line}" for line in rest), *output, *status]


def _block_node(
    env: BuildEnvironment, example: Example, block: Block, text: str, lexer: str, folds: Sequence[fold.Range] = ()
) -> nodes.Node:
    code = nodes.literal_block(text, text, language=lexer, drydock=vars(block).copy())
    code["force"] = True  # no warning where a file has a mistake on purpose
    if folds:
        code[fold.KEY] = folds
    caption = Caption(block.slug, block.path, block.region, run_badge(env, example, block))
    # The search index has commands and what they print; files would double it.
    unsearched = ["no-search"] if block.kind == "file" else []
    return nodes.container("", defer(caption), code, classes=["drydock-block", f"drydock-{block.kind}", *unsearched])


def page_link(env: BuildEnvironment, slug: str, text: str) -> nodes.Node:
    """Return a link to the example's own page; Sphinx resolves it as it suits the builder."""
    attributes = {"refdomain": "std", "reftype": "doc", "refexplicit": True, "refwarn": True, "refdoc": env.docname}
    return addnodes.pending_xref("", *inline_nodes(text), reftarget=f"/{pages.example_docname(slug)}", **attributes)
