"""Exercises: each has its page, its example and a fault that can be put in, and what is wrong is told by its place."""

from __future__ import annotations

import dataclasses

import pytest

from drydock import ROOT
from drydock.errors import DrydockError, MalformedError, MissingError
from drydock.model import example as examples, exercises
from drydock.model.example import Example
from drydock.model.expectations import Exercise
from drydock.tasks import exercise as exercise_task

KNOWN = exercises.load_exercises()


@pytest.mark.parametrize("slug", KNOWN)
def test_an_exercise_fits_its_page_and_example(slug, tmp_path):
    """The page shows it, the example has the place of its fault, and the claims are the example's."""
    exercise, example = KNOWN[slug], examples.load_examples()[slug]
    copy = Example(example.copy_to(tmp_path))
    before = copy.read(exercise.path)
    fault = exercises.place_fault(exercise, copy).read_text()

    assert fault != before
    assert "{exercise}" in (ROOT / f"docs/{exercise.page}.md").read_text()
    tests = example.test.read_text()
    assert [claim for claim in exercise.claims if f"def {claim}(" not in tests] == []


def test_every_concept_has_one():
    """Each concept page has an exercise or questions with a folded solution, and no page has two exercises."""
    concepts = {f"concepts/{path.stem}": path for path in (ROOT / "docs/concepts").glob("*.md")}
    del concepts["concepts/myths"]
    pages = [exercise.page for exercise in KNOWN.values()]
    without = [path for page, path in concepts.items() if page not in pages]

    assert [path.name for path in without if ":::{dropdown} Solution" not in path.read_text()] == []
    assert len(pages) == len(set(pages))


def test_what_is_there_stays(tmp_path):
    """A folder that is there is not written to."""
    (tmp_path / "mine").mkdir()
    with pytest.raises(DrydockError, match="exists, and stays as it is"):
        exercises.begin_exercise("cache-order", tmp_path / "mine")

    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_of_something_else(tmp_path):
    """A folder without any file of the example is refused before an engine is asked."""
    with pytest.raises(DrydockError, match="holds no file of the example cache-order"):
        exercise_task.check_folder("cache-order", tmp_path)


def test_no_such_exercise():
    """An unknown example is answered with those that have an exercise."""
    with pytest.raises(MissingError, match=r"no exercise on 'cache-oder'.*cache-order"):
        exercises.find_exercise("cache-oder")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"old": "USER 2\n"}, r"'USER 2\\n' occurs 0 times in Dockerfile"),
        ({"old": "R"}, "'R' occurs 2 times in Dockerfile"),
        ({"path": "Dockerfil"}, "no file 'Dockerfil' in the example hello; did you mean Dockerfile"),
        ({"path": "../victim.txt"}, "no file '../victim.txt'"),
        ({"path": "VICTIM"}, "no file '.*/victim.txt'"),
        ({"path": "link"}, "no file 'link'"),
        ({"path": "binary"}, "not UTF-8"),
        ({"path": ""}, "no file ''"),
    ],
)
def test_a_fault_that_does_not_fit(tmp_path, changes, problem):
    """A fault changes one place in one file of the copy; files elsewhere stay as they are."""
    copy, victim = tmp_path / "copies/hello", tmp_path / "copies/victim.txt"
    copy.mkdir(parents=True)
    victim.write_text("USER 1\n")
    (copy / "Dockerfile").write_text("FROM a\nUSER 1\n")
    (copy / "binary").write_bytes(b"USER 1\n\xff")
    (copy / "link").symlink_to(victim)
    exercise = Exercise("a/b", "Dockerfile", "USER 1\n", "USER 0\n", "Fix it.", ("test_a",))
    if changes == {"path": "VICTIM"}:
        changes = {"path": str(victim)}

    with pytest.raises(MalformedError, match=rf"^tests/examples/hello\.toml: exercise: .*{problem}"):
        exercises.place_fault(dataclasses.replace(exercise, **changes), Example(copy))
    assert victim.read_text() == "USER 1\n"
    assert exercises.place_fault(exercise, Example(copy)).read_text() == "FROM a\nUSER 0\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "the following arguments are required: SLUG, FOLDER"),
        (["chek", "cache-order", "mine"], "invalid choice: 'chek' (choose from 'begin', 'check')"),
    ],
)
def test_usage(arguments, message, capsys):
    """Arguments that are missing or wrong are named; the help lists the examples with an exercise."""
    with pytest.raises(SystemExit, match="2"):
        exercise_task.main(arguments)
    with pytest.raises(SystemExit, match="0"):
        exercise_task.main(["--help"])
    output = capsys.readouterr()

    assert message in output.err
    assert "cache-order" in output.out


def test_an_exercise_begins_and_tells_the_next_command(tmp_path, capsys):
    """The reader's copy is made, and the command that checks it is printed."""
    folder = tmp_path / "mine"

    assert exercise_task.main(["begin", "cache-order", str(folder)]) == 0
    assert f"nox -s exercise -- check cache-order {folder}" in capsys.readouterr().out
    assert (folder / "Dockerfile").is_file()


def test_an_unknown_exercise_is_an_error(tmp_path, capsys):
    """An example without an exercise ends with a message and exit status 1."""
    assert exercise_task.main(["begin", "cache-oder", str(tmp_path / "mine")]) == 1
    assert "did you mean cache-order?" in capsys.readouterr().out
