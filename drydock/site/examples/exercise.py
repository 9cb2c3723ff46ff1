"""``{exercise}``: the exercise of a page, and its files beside the pages."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes

from drydock.errors import MalformedError, MissingError
from drydock.model import exercises
from drydock.model.example import Example
from drydock.model.exercises import Exercise
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.examples.publish import FOLDER, publishes_files
from drydock.site.render.inline import inline_nodes
from drydock.site.repository import get_repository
from drydock.site.warn import Subtype, warn

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class ExerciseDirective(ExampleDirective):
    """``{exercise}``: what is to be mended, the files to begin with, and how to know that it is."""

    required_arguments = 0

    def shown(self) -> list[nodes.Node]:
        """Return the exercise of the page."""
        top = get_repository(self.env).top
        self.env.note_dependency(top / exercises.FILE)
        known = exercises.load_exercises(top)
        if self.env.docname not in known:
            raise MissingError(f"{exercises.FILE} has no exercise for {self.env.docname}")
        exercise = known[self.env.docname]
        self.example(exercise.slug)
        link = nodes.inline("", f"{exercise.slug}-exercise.zip", drydock_target=_zip(exercise), drydock_download=True)
        get = nodes.paragraph("", "The files, with the fault in them: ")
        get += [link, nodes.Text(". In a copy of this site's repository, "), _command("begin", exercise)]
        get += [nodes.Text(" unpacks them, and "), _command("check", exercise)]
        get += nodes.Text(" runs the claims of the example against your folder and says which of them hold.")
        task = nodes.paragraph("", "", *inline_nodes(exercise.task))
        return [nodes.container("", task, get, classes=["drydock-exercise"])]


def _command(action: str, exercise: Exercise) -> nodes.literal:
    return nodes.literal("", f"nox -s exercise -- {action} {exercise.slug} FOLDER")


def _zip(exercise: Exercise) -> str:
    return f"{FOLDER}/{exercise.slug}-exercise.zip"


def publish(app: Sphinx, exception: Exception | None) -> None:
    """Write the files of each exercise beside the pages, after those of the examples."""
    if exception is not None or not publishes_files(app.builder):
        return
    try:
        known = exercises.load_exercises(get_repository(app.env).top)
        for exercise in known.values():
            example = get_repository(app.env).examples.get(exercise.slug)
            if example is not None:
                with tempfile.TemporaryDirectory() as scratch:
                    copy = example.copy_to(Path(scratch))
                    exercise.place(copy)
                    (app.outdir / _zip(exercise)).write_bytes(Example(copy).zip())
    except MalformedError as error:
        warn(Subtype.MALFORMED, error.problem, error.path)


def setup(app: Sphinx) -> None:
    """Add the directive, and publish the exercises' files."""
    app.add_directive("exercise", ExerciseDirective)
    app.connect("build-finished", publish, priority=600)  # at 500 the folder is emptied for the examples
