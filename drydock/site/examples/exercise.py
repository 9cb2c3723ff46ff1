"""``{exercise}``: the exercise of a page, and its published files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from drydock.errors import MalformedError, MissingError
from drydock.model import exercises, expectations
from drydock.model.example import Example
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.examples.publish import FOLDER, publishes_files
from drydock.site.render.inline import inline_nodes
from drydock.site.repository import get_repository
from drydock.site.warn import Subtype, warn


class ExerciseDirective(ExampleDirective):
    """``{exercise}``: the task, the files to start from, and the command that checks the solution."""

    required_arguments = 0

    def make_nodes(self) -> list[nodes.Node]:
        """Return the exercise of the page."""
        top = get_repository(self.env).top
        for path in (top / expectations.FOLDER).glob("*.toml"):
            self.env.note_dependency(path)
        by_slug = get_repository(self.env).exercises
        slug = next((slug for slug, exercise in by_slug.items() if exercise.page == self.env.docname), None)
        if slug is None:
            raise MissingError(f"no example has an exercise for {self.env.docname}")
        self.example(slug)
        link = nodes.inline("", f"{slug}-exercise.zip", drydock_target=_zip_path(slug), drydock_download=True)
        get = nodes.paragraph("", "The files, with the fault in them: ")
        get += [link, nodes.Text(". In a copy of this site's repository, "), _command_literal("begin", slug)]
        get += [nodes.Text(" unpacks them, and "), _command_literal("check", slug)]
        get += nodes.Text(" runs the claims of the example against your folder and says which of them hold.")
        task = nodes.paragraph("", "", *inline_nodes(by_slug[slug].task))
        return [nodes.container("", task, get, classes=["drydock-exercise"])]


def _command_literal(action: str, slug: str) -> nodes.literal:
    return nodes.literal("", f"nox -s exercise -- {action} {slug} FOLDER")


def _zip_path(slug: str) -> str:
    return f"{FOLDER}/{slug}-exercise.zip"


def publish_exercises(app: Sphinx, exception: Exception | None) -> None:
    """Write the files of each exercise beside the pages, after those of the examples."""
    if exception is not None or not publishes_files(app.builder):
        return
    try:
        by_slug = get_repository(app.env).exercises
        for slug, exercise in by_slug.items():
            example = get_repository(app.env).examples.get(slug)
            if example is not None:
                with tempfile.TemporaryDirectory() as scratch:
                    copy = Example(example.copy_to(Path(scratch)))
                    exercises.place_fault(exercise, copy)
                    (app.outdir / _zip_path(slug)).write_bytes(copy.zip())
    except MalformedError as error:
        warn(Subtype.MALFORMED, error.problem, error.path)


def setup(app: Sphinx) -> None:
    """Add the directive, and publish the exercises' files."""
    app.add_directive("exercise", ExerciseDirective)
    app.connect("build-finished", publish_exercises, priority=600)  # at 500 the folder is emptied for the examples
