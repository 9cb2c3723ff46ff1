"""Directives for blocks, pictures, and lists, and the role for measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, final

from docutils import nodes
from docutils.nodes import system_message
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from drydock.errors import MalformedError, MissingError
from drydock.model.example import Example
from drydock.site.blocks.captions import run_badge
from drydock.site.blocks.code import file_block, page_link, transcript_block
from drydock.site.blocks.lexer import check_lexer
from drydock.site.examples import gallery
from drydock.site.examples.publish import zip_link
from drydock.site.pages import FOLDER
from drydock.site.pictures import make_picture
from drydock.site.render import units
from drydock.site.render.inline import InlineText, inline_nodes
from drydock.site.repository import get_repository
from drydock.site.warn import warn_of


def _split_names(argument: str | None) -> list[str]:
    names = [name.strip() for name in (argument or "").split(",")]
    if not all(names):
        raise ValueError("write names with commas between them, or leave the option out")
    return names


class ExampleDirective(SphinxDirective):
    """A directive that shows something of an example. A mistake is a warning, and the page shows nothing there."""

    required_arguments = 1
    final_argument_whitespace = True

    @final
    def run(self) -> list[nodes.Node]:
        """Return the nodes; report an error where the directive stands."""
        try:
            return self.make_nodes()
        except (MissingError, MalformedError) as error:
            warn_of(error, self.env, self.get_location())
            return []

    def make_nodes(self) -> list[nodes.Node]:
        """Return the nodes to show.

        :raises MissingError: the directive names something that doesn't exist.
        :raises MalformedError: the thing that it names doesn't parse.
        """
        raise NotImplementedError

    def split_argument(self) -> tuple[Example, str]:
        """Return the example and the rest of an argument ``slug/rest``; the page depends on the example from here on.

        :raises MissingError: there is no such example, or no rest.
        """
        slug, _, rest = self.arguments[0].partition("/")
        if not rest or not slug:
            raise MissingError(f"{self.arguments[0]!r} names nothing in an example; write slug/name")
        return self.example(slug), rest

    def example(self, slug: str) -> Example:
        """Return the example `slug`; the page depends on it from here on.

        :raises MissingError: there is no such example.
        """
        example = get_repository(self.env).example(slug)
        get_repository(self.env).depend(self.env, example)
        return example


class FileDirective(ExampleDirective):
    """``{example} slug/path``: a file of an example, or one of its regions."""

    option_spec: ClassVar[dict[str, Callable[[str], str]]] = {
        "region": directives.unchanged_required,
        "lexer": directives.unchanged_required,
    }

    def make_nodes(self) -> list[nodes.Node]:
        """Return the file's block."""
        example, path = self.split_argument()
        lexer = check_lexer(self.options["lexer"]) if "lexer" in self.options else ""
        return [file_block(self.env, example, path, self.options.get("region", ""), lexer)]


class TranscriptDirective(ExampleDirective):
    """``{transcript} slug/name``: a transcript of an example, or some of its steps."""

    option_spec: ClassVar[dict[str, Callable[[str], list[str]]]] = {"steps": _split_names}

    def make_nodes(self) -> list[nodes.Node]:
        """Return the transcript's block."""
        example, name = self.split_argument()
        return [transcript_block(self.env, example, name, self.options.get("steps", ()))]


class PictureDirective(ExampleDirective):
    """``{picture} slug:name``: a table of the evidence, drawn."""

    option_spec: ClassVar[dict[str, Callable[[str], str]]] = {"caption": directives.unchanged_required}

    def make_nodes(self) -> list[nodes.Node]:
        """Return the picture."""
        slug, _, name = self.arguments[0].partition(":")
        return make_picture(self.env, self.example(slug.strip()), name.strip(), self.options.get("caption", ""))


class ExamplesDirective(ExampleDirective):
    """``{examples}``: every example with its idea and the number of its claims that were upheld."""

    required_arguments = 0

    def make_nodes(self) -> list[nodes.Node]:
        """Return a list of the examples, each with a link to its own page."""
        # The generated index names all examples, so it changes when one is added or removed.
        self.env.note_dependency(f"{FOLDER}/index.md")
        items = [self._item(self.example(slug)) for slug in get_repository(self.env).examples]
        self.env.metadata[self.env.docname][gallery.KEY] = True
        return [nodes.bullet_list("", *items, classes=["drydock-examples"], **{gallery.KEY: True})] if items else []

    def _item(self, example: Example) -> nodes.list_item:
        run = get_repository(self.env).evidence(example).run
        upheld = run.passed_claims if run else 0
        upheld_text = f"{upheld} {'claim' if upheld == 1 else 'claims'} upheld · "
        title = nodes.paragraph("", "", page_link(self.env, example.slug, example.title), classes=["drydock-title"])
        idea = nodes.paragraph("", "", *inline_nodes(example.idea))
        proof = nodes.paragraph("", upheld_text, classes=["drydock-proof"])
        download = zip_link(example.slug, "zip", f" of the example {example.slug}")
        proof += [*run_badge(self.env, example).nodes(), nodes.Text(" "), download]
        return nodes.list_item("", title, idea, proof, **{gallery.KEY: example.slug})


class MeasuredRole(SphinxRole):
    """``{measured}`slug:name` ``: a measure from the evidence, with its engine and date as a tooltip."""

    def run(self) -> tuple[list[nodes.Node], list[system_message]]:
        """Return the measure's value; report an author's mistake where the role stands."""
        try:
            return self._make_nodes(), []
        except (MissingError, MalformedError) as error:
            warn_of(error, self.env, f"{self.env.doc2path(self.env.docname)}:{self._line()}")
            return [], []

    def _line(self) -> int:
        """Return the line of the role, or that of its paragraph, which is all that MyST gives."""
        lines = self.env.doc2path(self.env.docname).read_text(encoding="utf-8").split("\n")
        number = next((n for n, line in enumerate(lines[self.lineno - 1 :]) if f"`{self.text}`" in line), 0)
        return self.lineno + number

    def _make_nodes(self) -> list[nodes.Node]:
        slug, _, name = self.text.partition(":")
        example = get_repository(self.env).example(slug.strip())
        get_repository(self.env).depend(self.env, example)
        measure, run = get_repository(self.env).evidence(example).measure(name.strip())
        return InlineText(units.format_measure(measure), f"measured on {run.details}", "drydock-measured").nodes()


def setup(app: Sphinx) -> None:
    """Add the directives and the role."""
    app.add_directive("example", FileDirective)
    app.add_directive("transcript", TranscriptDirective)
    app.add_directive("picture", PictureDirective)
    app.add_directive("examples", ExamplesDirective)
    app.add_role("measured", MeasuredRole())
