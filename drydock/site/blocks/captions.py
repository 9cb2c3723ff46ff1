"""Captions of blocks and pictures: the example, the file, and when it last ran."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from markupsafe import Markup, escape
from sphinx.builders import Builder
from sphinx.environment import BuildEnvironment

from drydock.model.evidence import Run
from drydock.model.example import Example
from drydock.site import pages
from drydock.site.examples.publish import FOLDER, published_uri, publishes_files
from drydock.site.outputs import repository_links
from drydock.site.pages import Block
from drydock.site.render.inline import InlineText, to_html, to_text
from drydock.site.repository import get_repository


@dataclass(frozen=True)
class Caption:
    """A caption.

    :ivar slug: the example; it is linked, and so is its zip, unless the page is its own.
    :ivar path: the file that is shown, or "".
    :ivar note: a region's name, or an author's text with code in backticks.
    """

    slug: str
    path: str
    note: str
    badge: InlineText

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return it as HTML on the page `docname`, with links to the files that `builder` publishes."""
        own = docname == pages.example_docname(self.slug)
        uri = builder.get_relative_uri(docname, pages.example_docname(self.slug))
        home = _html_link(uri, self.slug)
        file: str = escape(self.path)
        download = ""
        if publishes_files(builder) and self.path:
            uri = published_uri(builder, docname, f"{FOLDER}/{self.slug}/{self.path}")
            file = _html_link(uri, self.path)
            if not own:  # that page begins with the zip
                uri = published_uri(builder, docname, f"{FOLDER}/{self.slug}.zip")
                download = (
                    f' <a class="reference download internal drydock-zip" download="" href="{escape(uri)}">zip'
                    f'<span class="drydock-unseen"> of the example {escape(self.slug)}</span></a>'
                )
            if repository_links.find_host(builder.config.drydock_repository):
                # No class attribute: it would be repeated a hundred times a page.
                download += f' <a href="#{repository_links.ANCHOR}">did not work?</a>'
        named = " / ".join(part for part in ("" if own else home, file) if part)
        text = " · ".join(part for part in (named, to_html(self.note)) if part)
        head = f'<span class="drydock-name">{text}</span> {self.badge.html()}{download}'
        return Markup(f'<p class="drydock-caption">{head}</p>')

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return it as Markdown; the path of a block's file links to the file."""
        if not self.path:
            return f"{' · '.join(filter(None, [self.slug, to_text(self.note)]))} {self.badge.text}"
        link = path = f"{self.slug}/{self.path}"
        if publishes_files(builder):
            link = f"[{path}]({published_uri(builder, docname, f'{FOLDER}/{path}')})"
        return " · ".join(filter(None, [link, self.note, self.badge.text]))


def _html_link(uri: str, text: str) -> str:
    return f'<a class="reference internal" href="{escape(uri)}">{escape(text)}</a>'


def run_badge(env: BuildEnvironment, example: Example, block: Block | None = None) -> InlineText:
    """Return what the evidence says of `example`: on which engine and when it was last run, as it is now.

    :param block: the block that it stands at; of a transcript it says whether that was skipped.
    :raises MalformedError: the evidence does not parse.
    """
    transcript = PurePosixPath(block.path).stem if block and block.kind == "transcript" else ""
    run = get_repository(env).evidence(example).shown_run(transcript)
    doubt = _doubt_reason(run, example.digest(), transcript)
    if run is None or doubt:
        return InlineText(doubt, kind="drydock-badge drydock-doubt")
    bases = ", stand-ins" if run.engine.get("base_images") == "stand-ins" else ""
    return InlineText(f"run on {run.label}{bases} · {run.date}", run.details, "drydock-badge")


def _doubt_reason(run: Run | None, digest: str, transcript: str) -> str:
    """Return why `run` is no evidence for the example with the `digest`, or for its `transcript`; else ""."""
    if run is None:
        return "not run yet"
    if run.digest != digest:
        return "changed since it was run"
    if not transcript:
        return ""
    replayed = run.transcripts.get(transcript)
    if replayed is None:
        return "not run yet"
    return "" if replayed.outcome == "passed" else f"{replayed.outcome} on {run.label}: {replayed.reason}"
