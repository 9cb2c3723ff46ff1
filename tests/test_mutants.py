"""Mutants: which faults follow from an example's files, and what becomes of them."""

from __future__ import annotations

import json

import pytest
from test_site import site

from drydock import mutants, trial
from drydock.errors import DrydockError, MalformedError
from drydock.example import Example
from drydock.mutants import Score

__all__ = ["site"]

DOCKERFILE = """\
# A comment is no instruction.
FROM debian:trixie-slim AS base
COPY a /a
RUN one \\
    # a comment within
    && two
RUN <<EOF
CMD ["not", "an instruction"]
EOF
CMD ["serve", "--name", "a b"]
ENTRYPOINT ['wrong']
"""
COMPOSE = """\
services:
  web:
    # What is built.
    build: .
    image: postgres:17
    ports:
    # indented as the key is
    - "127.0.0.1::80"
    depends_on:
      db: {condition: service_healthy}
      cache:
        condition: service_healthy
    volumes:
      - data:/data
    healthcheck:
      test: ["CMD", "probe", "127.0.0.1"]

volumes:
  data:
"""


@pytest.fixture(name="hello")
def _hello(tmp_path):
    root = tmp_path / "examples" / "hello"
    root.mkdir(parents=True)
    (tmp_path / "tests/examples").mkdir(parents=True)
    (tmp_path / mutants.FILE).write_text("")
    (root / "Dockerfile").write_text("FROM a:1\nUSER 1\n")
    (root / "compose.yaml").write_text("services:\n  web:\n    build: .\n")
    (root / "README.md").write_text("# Hello\n\nFROM here.\n")
    example = Example(root)
    example.test.write_text(
        'def test_user(build):\n    """It is not root."""\n    build()\n\n\n'
        'def test_compose(docker):\n    """It starts."""\n    docker("compose", "up")\n'
    )
    return example


def _changes(found):
    return {mutant.what: (mutant.line, mutant.text) for mutant in found}


def test_every_instruction_is_dropped():
    """Each instruction is dropped whole, with the lines that it goes on in; a comment and a heredoc are none."""
    found = _changes(mutants.of_dockerfile("Dockerfile", DOCKERFILE))
    dropped = [what for what in found if what.startswith("drop ")]

    assert [what.split()[1] for what in dropped] == ["FROM", "COPY", "RUN", "RUN", "CMD", "ENTRYPOINT"]
    assert found[dropped[2]] == (
        4,
        "".join(DOCKERFILE.splitlines(keepends=True)[:3] + DOCKERFILE.splitlines(keepends=True)[6:]),
    )
    assert "not" not in found[dropped[3]][1]


def test_rules_for_a_dockerfile():
    """A list becomes a line for a shell, a tag latest, and a COPY comes behind what follows it."""
    found = _changes(mutants.of_dockerfile("Dockerfile", DOCKERFILE))
    rest = {what: line for what, (line, _) in found.items() if not what.startswith("drop ")}

    assert list(rest.values()) == [2, 3, 10]
    assert "FROM debian:latest AS base\n" in found["latest in FROM debian:trixie-slim AS base"][1]
    assert "RUN one \\\n    # a comment within\n    && two\nCOPY a /a\nRUN <<EOF" in found["move down COPY a /a"][1]
    assert "\nCMD serve --name 'a b'\n" in found['shell form of CMD ["serve", "--name", "a b"]'][1]


def test_every_key_is_dropped():
    """Each key of a Compose file is dropped with all that belongs to it, and nothing else."""
    found = _changes(mutants.of_compose("compose.yaml", COMPOSE))

    assert [what for what in found if what.startswith("drop ")] == [
        *("drop services", "drop services.web", "drop services.web.build", "drop services.web.image"),
        *("drop services.web.ports", "drop services.web.depends_on", "drop services.web.depends_on.db"),
        *("drop services.web.depends_on.cache", "drop services.web.depends_on.cache.condition"),
        *("drop services.web.volumes", "drop services.web.healthcheck", "drop services.web.healthcheck.test"),
        *("drop volumes", "drop volumes.data"),
    ]
    assert found["drop services.web.ports"] == (
        6,
        COMPOSE.replace('    ports:\n    # indented as the key is\n    - "127.0.0.1::80"\n', ""),
    )
    assert found["drop services"][1] == "\nvolumes:\n  data:\n"


def test_rules_for_a_compose_file():
    """A port is for everybody, a condition weaker, a volume without its name, an image the latest."""
    found = _changes(mutants.of_compose("compose.yaml", COMPOSE))
    rest = {what: line for what, (line, _) in found.items() if not what.startswith("drop ")}

    assert list(rest.values()) == [5, 8, 10, 12, 14]
    for new in ("postgres:latest", '- "80"', "db: {condition: service_started}", "- /data"):
        assert [what for what in rest if new in found[what][1]], new
    assert not [what for what in rest if "probe" in what]


def test_own_mutants_are_listed(hello, tmp_path):
    """What an example lists is a mutant of its own, at its line, with the claim that is to fail."""
    (tmp_path / mutants.FILE).write_text(
        '[[hello.mutant]]\npath = "Dockerfile"\nold = "USER 1"\nnew = "USER 0"\nclaim = "test_user"\n'
        '[hello.equivalent]\n"Dockerfile: drop USER 1" = "it is so anyway"\n'
    )
    [own], equivalent = mutants.listed(hello, tmp_path)

    assert (own.line, own.what, own.text, own.claim) == (2, "USER 1 -> USER 0", "FROM a:1\nUSER 0\n", "test_user")
    assert equivalent == {"Dockerfile: drop USER 1": "it is so anyway"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "Invalid"),
        ('[hello.equivalent]\n"Dockerfile: drop USER 2" = "x"', "did you mean Dockerfile: drop USER 1"),
        ('[hello.equivalent]\n"Dockerfile: drop USER 1" = ""', "no mutant"),
        ('[[hello.mutant]]\npath = "Dockerfile"\nold = "USER 2"\nnew = ""', "is 0 times in Dockerfile"),
        ('[[hello.mutant]]\npath = "Dockerfil"\nold = "USER 2"\nnew = ""', "did you mean Dockerfile"),
        ('[[hello.mutant]]\npath = "Dockerfile"', "missing 2 required"),
        ("hello = 3", "has no attribute"),
    ],
)
def test_a_wrong_list_is_malformed(hello, tmp_path, text, problem):
    """A list that names what the example does not have is refused, so that it cannot outlive what it speaks of."""
    (tmp_path / mutants.FILE).write_text(text)

    with pytest.raises(MalformedError, match=problem):
        mutants.listed(hello, tmp_path)


def test_tests_that_name_the_file_come_first(hello):
    """The tests that name the changed file are tried before the others."""
    assert trial.naming(hello, "compose.yaml") == ["test_compose"]
    assert trial.naming(hello, "Dockerfile.bad") == []


def _tests(monkeypatch, notice):
    """Have the tests be a function that is given the example's files."""

    def failed(folder, *arguments):
        if "tests/test_security.py" in arguments:
            return ""
        files = {path.name: path.read_text() for path in (folder / "examples/hello").iterdir()}
        return notice(files, arguments)

    monkeypatch.setattr(trial, "_failed", failed)


def test_a_score(hello, tmp_path, monkeypatch, capsys):
    """What no test notices survives, with file and line; what changes nothing is not tried; the files stay."""
    (tmp_path / mutants.FILE).write_text('[hello.equivalent]\n"compose.yaml: drop services.web" = "nobody starts it"\n')
    before = hello.digest()
    _tests(monkeypatch, lambda files, _: "" if "USER" in files["Dockerfile"] else "test_hello.py::test_user")
    found = trial.score(hello, tmp_path)

    assert found == Score(
        before,
        tried=6,
        killed=1,
        equivalent=1,
        survivors=(
            "Dockerfile:1: drop FROM a:1",
            "Dockerfile:1: latest in FROM a:1",
            "compose.yaml:1: drop services",
            "compose.yaml:3: drop services.web.build",
        ),
    )
    assert "Dockerfile:2: drop USER 1: noticed by test_hello.py::test_user" in capsys.readouterr().out
    assert hello.digest() == before


def test_an_own_mutant_is_held_to_its_claim(hello, tmp_path, monkeypatch):
    """A mutant that lists a claim is tried against that claim alone."""
    (tmp_path / mutants.FILE).write_text(
        '[[hello.mutant]]\npath = "Dockerfile"\nold = "1\\n"\nnew = "2\\n"\nclaim = "test_user"\n'
    )
    (hello.root / "Dockerfile").write_text("USER 1\n")
    asked = []
    _tests(
        monkeypatch,
        lambda files, arguments: asked.append(arguments) or ("x" if "USER 1" not in files["Dockerfile"] else ""),
    )
    trial.score(hello, tmp_path)

    assert asked[-1] == ("--on-engine", "tests/examples/test_hello.py::test_user")


def test_tests_that_fail_anyway_tell_nothing(hello, tmp_path, monkeypatch):
    """Where a test fails without any fault, no fault is tried."""
    _tests(monkeypatch, lambda files, _: "test_hello.py::test_user")

    with pytest.raises(DrydockError, match="test_user fails without any fault"):
        trial.score(hello, tmp_path)


def test_a_run_of_the_tests_names_what_failed(tmp_path):
    """Of a run of pytest the first failure is named; a run that could not begin is no failure."""
    (tmp_path / "test_a.py").write_text("def test_b():\n    pass\n\n\ndef test_c():\n    assert False\n")

    assert trial._failed(tmp_path, "test_a.py") == "test_a.py::test_c"
    assert trial._failed(tmp_path, "test_a.py", "-k", "test_b") == ""
    with pytest.raises(DrydockError, match="exit 4"):
        trial._failed(tmp_path, "test_gone.py")


def test_scores_survive_the_file(tmp_path):
    """Results are read as they were written, and anything else is refused."""
    (tmp_path / "evidence").mkdir()
    scores = {"hello": Score("d", 3, 1, 1, ("Dockerfile:1: drop FROM a",))}
    mutants.save(scores, tmp_path)

    assert mutants.load(tmp_path) == scores
    for text in (
        "{",
        "[]",
        '{"hello": {}}',
        json.dumps({"hello": {"digest": "d", "tried": -1, "killed": 0, "equivalent": 0, "survivors": []}}),
    ):
        (tmp_path / mutants.RESULTS).write_text(text)
        with pytest.raises(MalformedError, match="nox -s mutants"):
            mutants.load(tmp_path)


def test_the_site_shows_the_scores(site):
    """The page has a row per example, the survivors by file and line, and the sum; what changed since is left out."""
    digest = Example(site.top / "examples/greeting").digest()
    mutants.save(
        {"greeting": Score(digest, 1200, 1199, 0, ("Dockerfile:1: drop FROM <a>",)), "gone": Score("d", 1, 1, 0)},
        site.top,
    )
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n:::{mutants}\n:::")
    built = site.build()
    html = built.text("first.html")

    assert built.warnings == []
    assert "drop FROM &lt;a&gt;</code>" in html
    assert "<p>1,199</p>" in html
    site.write("examples/greeting/more", "new\n")
    assert "1,199" not in site.build().text("first.html")
