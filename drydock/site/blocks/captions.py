"""What stands around blocks and pictures: above, the example and the file; below, the engine of the last run."""

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

#: Between the facts of a badge.
SEPARATOR = " · "
#: The page and the section that explain a badge.
EXPLAINED, ANCHOR = "about/tested-docs", "the-line-below-a-block"
#: How a badge shows facts of the engine.
WORDS = {
    "compose": "Compose {}",
    "buildx": "buildx {}",
    "store": "{} image store",
    "cgroup": "cgroup v{}",
}


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

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return it as HTML on the page `docname`, with links to the files that `builder` publishes."""
        own = docname == pages.example_docname(self.slug)
        uri = builder.get_relative_uri(docname, pages.example_docname(self.slug))
        home = _html_link(uri, self.slug)
        file: str = escape(self.path)
        download = ""
        if publishes_files(builder) and self.path:
            uri = published_uri(builder, docname, f"{FOLDER}/{self.slug}/{self.path}")
            # Where a transcript is stored isn't what a reader looks for, and a phone's line is short.
            file = _html_link(uri, self.path.removeprefix("transcripts/"))
            if not own:  # that page begins with the zip
                uri = published_uri(builder, docname, f"{FOLDER}/{self.slug}.zip")
                download = (
                    f' <a class="reference download internal drydock-zip" download="" href="{escape(uri)}">zip'
                    f'<span class="drydock-unseen"> of the example {escape(self.slug)}</span></a>'
                )
        named = " / ".join(part for part in ("" if own else home, file) if part)
        text = " · ".join(part for part in (named, to_html(self.note)) if part)
        return Markup('<p class="drydock-caption"><span class="drydock-name">{}</span>{}</p>').format(
            Markup(text), Markup(download)
        )

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return it as Markdown; the path of a block's file links to the file."""
        if not self.path:
            return " · ".join(filter(None, [self.slug, to_text(self.note)]))
        link = path = f"{self.slug}/{self.path}"
        if publishes_files(builder):
            link = f"[{path}]({published_uri(builder, docname, f'{FOLDER}/{path}')})"
        return " · ".join(filter(None, [link, self.note]))


@dataclass(frozen=True)
class Badge:
    """The engine of the last run, in one line that opens.

    :ivar line: what the run depends on, or why there is none.
    :ivar reports: whether it leads to an issue about the block, where the site has a repository.
    """

    line: InlineText
    reports: bool = False

    def html(self, builder: Builder, docname: str) -> Markup:
        """Return it as HTML; on a phone, CSS shows only the first fact."""
        shown, *rest = self.line.text.split(SEPARATOR, 1)
        links = [escape(self.line.facts)] if self.line.facts else []
        if EXPLAINED in builder.env.found_docs:
            uri = builder.get_relative_uri(docname, EXPLAINED)
            links.append(Markup('<a href="{}#{}">What this means</a>').format(uri, ANCHOR))
        if self.reports and publishes_files(builder) and repository_links.find_host(builder.config.drydock_repository):
            links.append(
                Markup('<a class="drydock-report" href="#{}">did not work?</a>').format(repository_links.ANCHOR)
            )
        hidden = Markup("").join(Markup("<span>{}{}</span>").format(SEPARATOR, facts) for facts in rest)
        return Markup('<details class="{}"><summary>{}{}</summary><p>{}</p></details>').format(
            self.line.kind, shown, hidden, Markup(" ").join(links)
        )

    def markdown(self, builder: Builder, docname: str) -> str:
        """Return its line."""
        return self.line.text


def _html_link(uri: str, text: str) -> str:
    return f'<a class="reference internal" href="{escape(uri)}">{escape(text)}</a>'


def run_badge(env: BuildEnvironment, example: Example, block: Block | None = None) -> InlineText:
    """Return what the evidence says of `example`: on which engine it was last run, as it is now.

    :param block: the block that it stands at; of a transcript it says whether that was skipped.
    :raises MalformedError: the evidence does not parse.
    """
    transcript = PurePosixPath(block.path).stem if block and block.kind == "transcript" else ""
    run = get_repository(env).evidence(example).shown_run(transcript)
    doubt = _doubt_reason(run, example.digest(), transcript)
    if run is None or doubt:
        line, _, reason = doubt.partition(": ")
        return InlineText(line, f"{reason}." if reason else "", "drydock-badge drydock-doubt")
    return InlineText(SEPARATOR.join(_short_facts(run)), _all_facts(run), "drydock-badge")


def _short_facts(run: Run) -> list[str]:
    """Return the facts of the line: versions without the patch release, and only what a page can depend on."""
    facts = {**run.engine, "name": f"{run.engine['name']} {_short_version(run.engine['version'])}"}
    facts["compose"] = _short_version(facts.get("compose", ""))
    return _in_words(facts, ("name", "compose", "store", "architecture", "base_images"))


def _all_facts(run: Run) -> str:
    facts = {**run.engine, "name": f"Last run: {run.label} on {run.date}"}
    if facts.get("base_images") == "stand-ins":
        facts["base_images"] = "stand-ins for Docker Hub's images"
    return (
        ", ".join(_in_words(facts, ("name", "compose", "buildx", "store", "architecture", "cgroup", "base_images")))
        + "."
    )


def _in_words(facts: dict[str, str], names: tuple[str, ...]) -> list[str]:
    return [WORDS.get(name, "{}").format(facts[name]) for name in names if facts.get(name)]


def _short_version(version: str) -> str:
    return ".".join(version.split(".")[:2])


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
