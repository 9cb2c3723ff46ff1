"""Exercises: each has its page, its example and a fault that can be put in, and what is wrong is told by its place."""

from __future__ import annotations

import pytest

from drydock import ROOT
from drydock.errors import DrydockError, MalformedError, MissingError
from drydock.model import example as examples, exercises
from drydock.tasks import exercise as exercise_task

KNOWN = exercises.load_exercises()


@pytest.mark.parametrize("page", KNOWN)
def test_an_exercise_fits_its_page_and_example(page, tmp_path):
    """The page shows it, the example has the place of its fault, and the claims are the example's."""
    exercise = KNOWN[page]
    example = examples.load_examples()[exercise.slug]
    copy = example.copy_to(tmp_path)
    before = (copy / exercise.path).read_text()
    fault = exercise.place(copy).read_text()

    assert fault != before
    assert "{exercise}" in (ROOT / f"docs/{page}.md").read_text()
    tests = example.test.read_text()
    assert [claim for claim in exercise.claims if f"def {claim}(" not in tests] == []


def test_every_concept_has_one():
    """A concept page without an exercise is a page to be finished; what is said wrong elsewhere is no concept."""
    concepts = {f"concepts/{path.stem}" for path in (ROOT / "docs/concepts").glob("*.md")} - {"concepts/myths"}

    assert concepts - set(KNOWN) == set()


def test_what_is_there_stays(tmp_path):
    """A folder that is there is not written to."""
    (tmp_path / "mine").mkdir()
    with pytest.raises(DrydockError, match="is there already, and stays as it is"):
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
    ("text", "problem"),
    [
        ("[x", "Expected"),
        ("['a/b']\nexample = 'x'\n", "missing"),
        ("['a/b']\nexample='x'\npath='y'\nold='1'\nnew='2'\ntask='t'\nclaims=[]\n", "nothing would tell the fault"),
    ],
)
def test_a_malformed_list(tmp_path, text, problem):
    """A list that is none is reported with its file."""
    (tmp_path / "docs").mkdir()
    (tmp_path / exercises.FILE).write_text(text)
    with pytest.raises(MalformedError, match=rf"docs/exercises\.toml.*{problem}"):
        exercises.load_exercises(tmp_path)


def test_a_fault_that_fits_no_more(tmp_path):
    """An example that was edited at the place of the fault is reported."""
    exercise = next(iter(KNOWN.values()))
    (tmp_path / exercise.path).write_text("something else\n")
    with pytest.raises(MalformedError, match="is 0 times in"):
        exercise.place(tmp_path)


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
