"""The nodes of a block: its caption, its badge, its code. Standard nodes that carry their data in attributes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx import addnodes

from drydock.evidence import Run
from drydock.example import Example
from drydock.site import pages
from drydock.site.lexer import guess, shielded
from drydock.site.pages import Block
from drydock.site.publish import published, zipped
from drydock.site.shelf import shelf
from drydock.transcript import Step, unescape

if TYPE_CHECKING:
    from sphinx.environment import BuildEnvironment


def file_block(env: BuildEnvironment, example: Example, path: str, region: str = "", lexer: str = "") -> nodes.Node:
    """Return a file of `example`, or one of its regions, as a block.

    :raises MissingError: no such file or region.
    :raises MalformedError: the file, its regions or the evidence do not parse.
    """
    text = example.shown(path, region or None)
    return _block(
        env, example, Block(example.slug, path, region=region), text, lexer or guess(path, example.read(path))
    )


def transcript_block(env: BuildEnvironment, example: Example, name: str, steps: Sequence[str] = ()) -> nodes.Node:
    """Return the transcript `name`, or only those of its steps that are named, as a block.

    :raises MissingError: no such transcript or step.
    :raises MalformedError: the transcript or the evidence do not parse.
    """
    picked = example.transcript(name).pick(steps)
    commands = tuple(step.command for step in picked)
    block = Block(example.slug, f"transcripts/{name}.console", "transcript", steps=commands)
    return _block(env, example, block, "\n".join(line for step in picked for line in _lines(step)), "console")


def _lines(step: Step) -> list[str]:
    first, *rest = step.command.split("\n")
    output = [shielded(unescape(line)) if line.startswith("\\") else line for line in step.output]
    status = [f"[exit {step.status}]"] if step.status else []
    return [f"$ {first}", *(f"> {line}" for line in rest), *output, *status]


def _block(env: BuildEnvironment, example: Example, block: Block, text: str, lexer: str) -> nodes.Node:
    code = nodes.literal_block(text, text, language=lexer, drydock=dataclasses.asdict(block))
    code["force"] = True  # a lexer that stumbles over a deliberate mistake is no news
    caption = nodes.paragraph("", "", *_caption(env, example, block), classes=["drydock-caption"])
    return nodes.container("", caption, code, classes=["drydock-block", f"drydock-{block.kind}"])


def _caption(env: BuildEnvironment, example: Example, block: Block) -> list[nodes.Node]:
    name = nodes.inline("", "", classes=["drydock-name"])
    if env.docname != pages.own(example.slug):
        name += [page_link(env, example.slug, example.slug), nodes.Text(" / ")]
    name += published(example.slug, block.path, block.path)
    if block.region:
        name += nodes.Text(f" · {block.region}")
    caption = [name, nodes.Text(" "), badge(env, example, block)]
    if env.docname != pages.own(example.slug):  # that page begins with the zip
        caption += [nodes.Text(" "), zipped(example.slug, "zip", f" of the example {example.slug}")]
    return caption


def page_link(env: BuildEnvironment, slug: str, text: str) -> nodes.Node:
    """Return a link to the example's own page; Sphinx resolves it as it suits the builder."""
    attributes = {"refdomain": "std", "reftype": "doc", "refexplicit": True, "refwarn": True, "refdoc": env.docname}
    return addnodes.pending_xref("", *prose(text), reftarget=f"/{pages.own(slug)}", **attributes)


def badge(env: BuildEnvironment, example: Example, block: Block | None = None) -> nodes.Node:
    """Return what the evidence says: on which engine and when the example was last run, as it is now.

    :param block: the block that it stands at; of a transcript it says whether that was skipped.
    :raises MalformedError: the evidence does not parse.
    """
    run = shelf(env).evidence(example).run
    doubt = _doubt(run, shelf(env).digest(example), block)
    if run is None or doubt:
        return nodes.inline("", doubt, classes=["drydock-badge", "drydock-doubt"])
    bases = ", stand-ins" if run.engine.get("base_images") == "stand-ins" else ""
    return told(f"run on {engine(run)}{bases} · {run.date}", facts(run), "drydock-badge")


def _doubt(run: Run | None, digest: str, block: Block | None) -> str:
    """Return why `run` does not speak for the example with the `digest`, or for the transcript in `block`; else ""."""
    if run is None:
        return "not run yet"
    if run.digest != digest:
        return "changed since it was run"
    if block is None or block.kind != "transcript":
        return ""
    replayed = run.transcripts.get(PurePosixPath(block.path).stem)
    if replayed is None:
        return "not run yet"
    return "" if replayed.outcome == "passed" else f"{replayed.outcome} on {engine(run)}: {replayed.reason}"


def told(text: str, explanation: str, *classes: str) -> nodes.Node:
    """Return `text` with a tooltip; where a builder has none, only the text stays."""
    return nodes.abbreviation("", text, explanation=explanation, classes=list(classes), drydock_told=True)


def engine(run: Run) -> str:
    """Return the engine of `run` as its readers call it: ``Docker 28.5.2``."""
    return f"{run.engine.get('name', 'engine')} {run.engine.get('version', '')}".strip()


def facts(run: Run) -> str:
    """Return what else the evidence says of the engine of `run`, for a tooltip."""
    known = [f"{key.replace('_', ' ')}: {value}" for key, value in run.engine.items() if key not in ("name", "version")]
    return ", ".join([f"{engine(run)} on {run.date}", *known])


def prose(text: str) -> list[nodes.Node]:
    """Return a sentence of a README or docstring as nodes: code in backticks is code, a link is its text."""
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    parts = re.split(r"(`+)(.+?)\1", plain)
    found: list[nodes.Node] = []
    for index in range(0, len(parts), 3):
        found += [nodes.Text(parts[index])] if parts[index] else []
        found += [nodes.literal("", parts[index + 2].strip())] if index + 2 < len(parts) else []
    return found
