"""Mutants: their derivation from an example's files, and their trial."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from drydock import ROOT
from drydock.errors import DrydockError, MalformedError
from drydock.fixtures import until
from drydock.model import example as examples, mutants, mutation_scores, recipes
from drydock.model.example import Example
from drydock.model.expectations import expectations_file
from drydock.model.mutation_scores import Score
from drydock.mutation import runner

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
LISTS = """\
x-user: &user
  user: "1"
services:
  web:
    <<: *user
    volumes:
      - type: bind
        # of the folder
        source: .
      - target: /only
    ports: &ports
    - published: 1
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


EXPECTATIONS = expectations_file("hello")


@pytest.fixture(name="hello")
def _hello(tmp_path):
    root = tmp_path / "examples" / "hello"
    root.mkdir(parents=True)
    (tmp_path / "tests/examples").mkdir(parents=True)
    (tmp_path / EXPECTATIONS).write_text("")
    (root / "Dockerfile").write_text("FROM a:1\nUSER 1\n")
    (root / "compose.yaml").write_text("services:\n  web:\n    build: .\n")
    (root / "README.md").write_text("# Hello\n\nFROM here.\n")
    example = Example(root)
    example.test.write_text(
        'def test_user(build):\n    """It is not root."""\n    build()\n\n\n'
        'def test_compose(docker):\n    """It starts."""\n    docker("compose", "up")\n'
    )
    return example


def _changes(derived):
    return {mutant.what: (mutant.line, mutant.text) for mutant in derived}


def test_every_instruction_is_dropped():
    """Each instruction is dropped with its continuation lines; comments and heredocs are no instructions."""
    changes = _changes(mutants.of_dockerfile("Dockerfile", DOCKERFILE))
    dropped = [what for what in changes if what.startswith("drop ")]

    assert [what.split()[1] for what in dropped] == ["FROM", "COPY", "RUN", "RUN", "CMD", "ENTRYPOINT"]
    assert changes[dropped[2]] == (
        4,
        "".join(DOCKERFILE.splitlines(keepends=True)[:3] + DOCKERFILE.splitlines(keepends=True)[6:]),
    )
    assert "not" not in changes[dropped[3]][1]


def test_rules_for_a_dockerfile():
    """An exec form becomes a shell form, a tag latest, and a COPY moves below the RUN that follows it."""
    changes = _changes(mutants.of_dockerfile("Dockerfile", DOCKERFILE))
    rest = {what: line for what, (line, _) in changes.items() if not what.startswith("drop ")}

    assert list(rest.values()) == [2, 3, 10]
    assert "FROM debian:latest AS base\n" in changes["latest in FROM debian:trixie-slim AS base"][1]
    assert "RUN one \\\n    # a comment within\n    && two\nCOPY a /a\nRUN <<EOF" in changes["move down COPY a /a"][1]
    assert "\nCMD serve --name 'a b'\n" in changes['shell form of CMD ["serve", "--name", "a b"]'][1]


def test_every_key_is_dropped():
    """Each key of a Compose file is dropped with its value, and nothing else."""
    changes = _changes(mutants.of_compose("compose.yaml", COMPOSE))

    assert [what for what in changes if what.startswith("drop ")] == [
        *("drop services", "drop services.web", "drop services.web.build", "drop services.web.image"),
        *("drop services.web.ports", "drop services.web.depends_on", "drop services.web.depends_on.db"),
        *("drop services.web.depends_on.cache", "drop services.web.depends_on.cache.condition"),
        *("drop services.web.volumes", "drop services.web.healthcheck", "drop services.web.healthcheck.test"),
        *("drop volumes", "drop volumes.data"),
    ]
    assert changes["drop services.web.ports"] == (
        6,
        COMPOSE.replace('    ports:\n    # indented as the key is\n    - "127.0.0.1::80"\n', ""),
    )
    assert changes["drop services"][1] == "\nvolumes:\n  data:\n"


def test_merge_keys_and_first_keys_of_items_are_dropped():
    """A merge key is dropped, and so is the first key of a list item, whose dash moves to the item's next key."""
    changes = _changes(mutants.of_compose("compose.yaml", LISTS))

    assert changes["drop services.web.<<"] == (5, LISTS.replace("    <<: *user\n", ""))
    assert changes["drop services.web.volumes.type"] == (
        7,
        LISTS.replace(
            "      - type: bind\n        # of the folder\n        source", "        # of the folder\n      - source"
        ),
    )
    assert changes["drop services.web.volumes.target"][1] == LISTS.replace("      - target: /only\n", "")
    assert changes["drop services.web.ports.published"][1] == LISTS.replace("    - published: 1\n", "")
    assert "drop services.web.volumes.source" in changes


def test_what_is_no_longer_yaml_says_so():
    """A mutant whose file can't be read any more has this in its name; all others are YAML, in all examples."""
    assert "drop x-user (no longer YAML)" in _changes(mutants.of_compose("compose.yaml", LISTS))
    derived = [mutant for example in examples.load_examples().values() for mutant in mutants.derive_mutants(example)]
    files = [mutant for mutant in derived if mutant.path.endswith(".yaml") and "no longer YAML" not in mutant.what]

    assert len(files) > 900
    for mutant in files:
        yaml.compose(mutant.text, Loader=yaml.SafeLoader)


@pytest.mark.parametrize(("text", "line"), [("a: [\n", ":2"), ("a: b\nc: 'd\n", ":3"), ("[" * 5000, "")])
def test_a_compose_file_that_is_no_yaml_is_malformed(hello, text, line):
    """A Compose file that isn't YAML is reported with its line, also one that is nested too deeply to be read."""
    (hello.root / "compose.yaml").write_text(text)

    with pytest.raises(MalformedError, match=rf"^examples/hello/compose.yaml{line}: not YAML: "):
        mutants.derive_mutants(hello)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        ("a:\n  b: 1", [(0, 2, ("a",)), (1, 2, ("a", "b"))]),
        ("a: |\n  # text\n  b: 1\n\n# note\nc: {d: 1}\n", [(0, 3, ("a",)), (5, 6, ("c",))]),
        ("a: &a\n  b: *a\nc: *a\n", [(0, 2, ("a",)), (1, 2, ("a", "b")), (2, 3, ("c",))]),
        ("a:\n- b: 1\n- - c: 2\n", [(0, 3, ("a",)), (1, 2, ("a", "b")), (2, 3, ("a", "c"))]),
        ("'a b': 1\n? c\n: d\n", [(0, 1, ("a b",)), (1, 3, ("c",))]),
    ],
)
def test_keys_of_a_compose_file(text, keys):
    """Each key has its lines and the names that lead to it: aliases are not followed, and comments below it stay."""
    assert [*recipes.compose_keys(text)] == keys


def test_rules_for_a_compose_file():
    """A port is published on all addresses, a condition is weaker, a volume anonymous, an image the latest."""
    changes = _changes(mutants.of_compose("compose.yaml", COMPOSE))
    rest = {what: line for what, (line, _) in changes.items() if not what.startswith("drop ")}

    assert list(rest.values()) == [5, 8, 10, 12, 14]
    for new in ("postgres:latest", '- "80"', "db: {condition: service_started}", "- /data"):
        assert [what for what in rest if new in changes[what][1]], new
    assert not [what for what in rest if "probe" in what]


def test_mutants_are_listed(hello, tmp_path):
    """A listed mutant has its line, and the claim that has to fail."""
    (tmp_path / EXPECTATIONS).write_text(
        '[[mutants]]\npath = "Dockerfile"\nold = "USER 1"\nnew = "USER 0"\nclaim = "test_user"\n'
        '[equivalent]\n"Dockerfile: drop USER 1" = "it is so anyway"\n'
    )
    [*derived, own], [equivalent] = mutants.load_mutants(hello, tmp_path)

    assert (own.line, own.what, own.text, own.claim) == (2, "USER 1 -> USER 0", "FROM a:1\nUSER 0\n", "test_user")
    assert equivalent.name == "Dockerfile: drop USER 1"
    assert [*derived, equivalent] == sorted(mutants.derive_mutants(hello), key=lambda mutant: mutant == equivalent)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "Invalid"),
        ('[equivalent]\n"Dockerfile: drop USER 2" = "x"', "did you mean Dockerfile: drop USER 1"),
        ('[equivalent]\n"Dockerfile: drop USER 1" = ""', "without a reason"),
        ('[[mutants]]\npath = "Dockerfile"\nold = "USER 2"\nnew = ""', "occurs 0 times in Dockerfile"),
        ('[[mutants]]\npath = "Dockerfil"\nold = "USER 2"\nnew = ""', "did you mean Dockerfile"),
        ('[[mutants]]\npath = "Dockerfile"', "lacks the key 'old'"),
        ("hello = 3", "unknown key 'hello'"),
        ("mutants = 3", "mutants is 3, not a list"),
    ],
)
def test_a_wrong_list_is_malformed(hello, tmp_path, text, problem):
    """A list that names a mutant, file, or text that the example doesn't have is refused, so no entry gets stale."""
    (tmp_path / EXPECTATIONS).write_text(text)

    with pytest.raises(MalformedError, match=problem):
        mutants.load_mutants(hello, tmp_path)


REPORT = """\
F                                                  [100%]
=================== FAILURES ===================
___________________ test_user __________________
tests/examples/test_hello.py:3: in test_user
    assert user == "10001"
E   AssertionError: assert 'root' == '10001'
=========== short test summary info ============
FAILED tests/examples/test_hello.py::test_user - AssertionE...
"""


class _Sandbox:
    """Stands in for a sandbox: a function of the example's files returns which test fails."""

    engine_tests = ("tests/examples/test_hello.py", "tests/examples/test_transcripts.py")

    def __init__(self, example, top, fails):
        self.folder = top / "copy"
        self.example_folder = example.copy_to(self.folder)
        self.asked = []
        self._fails = fails

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def files(self):
        return {path.name: path.read_text() for path in self.example_folder.iterdir() if path.is_file()}

    def first_failure(self, *arguments):
        if set(runner.STATIC_TESTS) <= {*arguments}:
            return "", ""
        self.asked.append(arguments)
        return self._fails(self.files()), REPORT

    def run_tests(self, *arguments):
        """Without stopping at the first failure: the results are asked for."""
        [results] = [argument.partition("=")[2] for argument in arguments if argument.startswith("--results=")]
        failed = self._fails(self.files())
        failures = [{"test": failed, "outcome": "failed"}] if failed else []
        Path(results).write_text(json.dumps([*failures, {"test": "t.py::test_other", "outcome": "passed"}]))
        return bool(failed), ""


@pytest.fixture(name="copies")
def _copies(monkeypatch):
    """Have tests be a function of the example's files: ``copies(fails)``; returns the list of the copies made."""

    def call(fails):
        made = []

        def copy(example, top):
            made.append(_Sandbox(example, top, fails))
            return made[-1]

        monkeypatch.setattr(runner, "Sandbox", copy)
        return made

    return call


def test_a_test_that_names_a_file_uses_it(hello):
    """A test that names a file uses it, even if it expects the file to fail."""
    assert runner.tests_naming(hello, "compose.yaml") == ["test_compose"]
    assert runner.tests_naming(hello, "Dockerfile.bad") == []


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """Nothing is written to the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _user(files):
    return "" if "USER" in files["Dockerfile"] else "t.py::test_user"


def test_a_score(hello, tmp_path, copies, capsys):
    """Mutants that no test kills survive, with file and line; equivalent ones don't run; the files stay as they are."""
    (tmp_path / EXPECTATIONS).write_text('[equivalent]\n"compose.yaml: drop services.web" = "nobody starts it"\n')
    before = hello.digest(readme=False)
    copies(_user)
    score = runner.Trial(hello, top=tmp_path).run()

    assert score == Score(
        before,
        tried=6,
        killed=1,
        equivalent=("compose.yaml:2: drop services.web",),
        survivors=(
            "Dockerfile:1: drop FROM a:1",
            "Dockerfile:1: latest in FROM a:1",
            "compose.yaml:1: drop services",
            "compose.yaml:3: drop services.web.build",
        ),
        kills={"Dockerfile:2: drop USER 1": "t.py::test_user"},
    )
    assert "Dockerfile:2: drop USER 1: killed by t.py::test_user" in capsys.readouterr().out
    assert hello.digest(readme=False) == before


def test_survivors_are_tried_again(hello, tmp_path, copies):
    """While nothing changes, only survivors are tried again, without those that are now listed as equivalent."""
    made = copies(_user)
    first = runner.Trial(hello, top=tmp_path).run()
    (tmp_path / EXPECTATIONS).write_text(
        "[equivalent]\n"
        + "".join(f"{json.dumps(mutant.name)} = 'why'\n" for mutant in mutants.derive_mutants(hello)[:2])
    )
    made.clear()
    second = runner.Trial(hello, first, tmp_path).run()
    tried = [arguments for copy in made for arguments in copy.asked]
    (hello.root / "compose.yaml").write_text("services: {}\n")

    assert second.survivors == first.survivors[2:]
    assert (second.tried, second.killed, len(second.equivalent)) == (6, 1, 2)
    assert len(tried) == 1 + len(second.survivors)
    assert runner.Trial(hello, second, tmp_path).run().survivors == ("compose.yaml:1: drop services",)


def test_a_mutant_is_tried_once_it_is_not_listed_as_equivalent(hello, tmp_path, copies):
    """A mutant that never ran, because it was listed as equivalent, doesn't count as killed later."""
    copies(_user)
    (tmp_path / EXPECTATIONS).write_text('[equivalent]\n"Dockerfile: drop FROM a:1" = "why"\n')
    first = runner.Trial(hello, top=tmp_path).run()
    (tmp_path / EXPECTATIONS).write_text('[equivalent]\n"compose.yaml: drop services" = "why"\n')

    assert "Dockerfile:1: drop FROM a:1" in runner.Trial(hello, first, tmp_path).run().survivors


def _tried(output):
    """Return the mutants that were tried, in order."""
    return [
        line.partition("examples/hello/")[2].rpartition(": ")[0] for line in output.splitlines() if "/hello/" in line
    ]


def test_what_was_killed_is_not_tried_again(hello, tmp_path, copies, capsys):
    """A killed mutant is tried again when the example or its test has changed, or when told to, after all others."""
    copies(_user)
    user = "Dockerfile:2: drop USER 1"

    def try_again(previous, **options):
        score = runner.Trial(hello, previous, tmp_path, **options).run()
        assert (score.killed, len(score.survivors), score.kills) == (1, 5, {user: "t.py::test_user"})
        return score, _tried(capsys.readouterr().out)

    score, tried = try_again(None)
    assert (len(tried), tried[2]) == (6, user)
    assert try_again(score)[1] == [mutant for mutant in tried if mutant != user]
    assert try_again(score, again=True)[1][-1] == user
    (hello.root / "README.md").write_text("# Hello\n\nIn other words.\n")
    assert len(try_again(score)[1]) == 5
    hello.test.write_text(hello.test.read_text() + "\n\ndef test_more():\n    assert 1\n")
    assert try_again(score)[1][-1] == user


def test_the_test_that_killed_a_mutant_is_tried_first(hello, tmp_path, copies):
    """The first test to run is the one that killed this mutant before, then the one that killed most of its file's."""
    tests = [f"tests/examples/test_hello.py::test_{name}" for name in "abc"]
    hello.test.write_text("".join(f'def test_{name}():\n    "Dockerfile"\n' for name in "abc"))
    names = [str(mutant) for mutant in mutants.derive_mutants(hello) if mutant.path == "Dockerfile"]
    killers = [tests[2], tests[2], tests[1]]
    score = Score("old", 3, 3, kills=dict(zip(names, killers, strict=True)))
    made = copies(lambda files: "")
    runner.Trial(hello, score, tmp_path).run()
    [sandbox] = made
    orders = [arguments[1:] for arguments in sandbox.asked if tests[0] in arguments]

    assert orders == [(tests[2], tests[1], tests[0]), (tests[2], tests[1], tests[0]), (tests[1], tests[2], tests[0])]


def test_a_trial_that_was_ended_goes_on(hello, tmp_path, copies, capsys):
    """The score of a trial that was ended counts what was tried, isn't current, and the next trial tries the rest."""
    copies(_user)

    def end(trial):
        if len(trial.left) == 3:
            raise KeyboardInterrupt

    trial = runner.Trial(hello, top=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trial.run(end)
    capsys.readouterr()
    score = runner.Trial(hello, trial.score, tmp_path).run()

    assert (trial.score.tried, trial.score.killed) == (3, 1)
    assert not mutants.is_current(trial.score, hello, tmp_path)
    assert "Dockerfile:2: drop USER 1" not in _tried(capsys.readouterr().out)
    assert score == runner.Trial(hello, top=tmp_path).run()


def test_a_score_without_names_of_tests_is_believed(hello, tmp_path, copies, capsys):
    """Older scores don't name the tests that killed: while such a score is current, only survivors are tried."""
    copies(_user)
    names = [str(mutant) for mutant in mutants.derive_mutants(hello)]
    old = Score(hello.digest(readme=False), 6, 5, (), (names[0],))

    assert runner.Trial(hello, old, tmp_path).run() == old
    assert _tried(capsys.readouterr().out) == names[:1]
    fewer = Score(hello.digest(readme=False), 5, 4, (), (names[0],))
    assert len(runner.Trial(hello, fewer, tmp_path).left) == 6


def test_a_timeout_kills(hello, tmp_path, copies, capsys):
    """A timeout counts as killed."""
    copies(lambda files: "" if "USER" in files["Dockerfile"] else "timeout after 900 s")

    assert runner.Trial(hello, top=tmp_path).run().kills == {"Dockerfile:2: drop USER 1": "timeout after 900 s"}
    assert "Dockerfile:2: drop USER 1: killed by timeout after 900 s" in capsys.readouterr().out


def test_only_the_tests_that_use_a_file_are_run(hello, tmp_path, copies):
    """Against a mutant run the tests that fail where its file is spoilt and those that name it, the best one first."""
    made = copies(lambda files: "t.py::test_user" if "FROM" not in files["Dockerfile"] else "")
    runner.Trial(hello, top=tmp_path).run()
    [copy] = made
    plain, *rest = copy.asked

    assert plain == ("--on-engine", *copy.engine_tests)
    assert {arguments[1:] for arguments in rest} == {
        ("t.py::test_user",),
        ("tests/examples/test_hello.py::test_compose",),
    }


def test_results_are_of_the_file_that_is_spoilt(hello, tmp_path, copies, monkeypatch):
    """Where no test runs with a file spoilt, the trial ends, and doesn't take the results of another file for its."""
    copies(lambda files: "")
    run_tests = _Sandbox.run_tests

    def run_once(sandbox, *arguments):
        monkeypatch.setattr(_Sandbox, "run_tests", lambda sandbox, *arguments: (3, "INTERNALERROR"))
        return run_tests(sandbox, *arguments)

    monkeypatch.setattr(_Sandbox, "run_tests", run_once)
    with pytest.raises(DrydockError, match=r"hello: no test ran with compose.yaml spoilt:\nINTERNALERROR"):
        runner.Trial(hello, top=tmp_path).run()


@pytest.mark.parametrize("again", [True, False])
def test_a_failure_by_chance_kills_nothing(hello, tmp_path, copies, again):
    """A test that fails has to fail again to kill; otherwise the remaining tests run."""
    (tmp_path / EXPECTATIONS).write_text('[[mutants]]\npath = "README.md"\nold = "FROM"\nnew = "BY"\n')
    (hello.root / "Dockerfile").unlink()
    (hello.root / "compose.yaml").unlink()
    hello.test.write_text('def test_sure():\n    """README.md says so."""\n')
    chance, sure = "t.py::test_chance", "tests/examples/test_hello.py::test_sure"
    ends = iter(["", chance, chance if again else "", sure, sure])
    made = copies(lambda files: chance if files["README.md"] == runner.SPOILT else next(ends))
    runner.Trial(hello, top=tmp_path).run()
    asked = [arguments[1:] for arguments in made[0].asked[1:]]

    assert asked == [(sure, chance), (chance,), *([] if again else [(sure,), (sure,)])]


@pytest.mark.parametrize("again", [True, False])
def test_a_claim_that_fails_by_chance_kills_nothing(hello, tmp_path, copies, again):
    """The claim that a mutant lists has to fail twice as well, whichever of its cases fails."""
    (tmp_path / EXPECTATIONS).write_text(
        '[[mutants]]\npath = "README.md"\nold = "FROM"\nnew = "BY"\nclaim = "test_user"\n'
    )
    (hello.root / "Dockerfile").unlink()
    (hello.root / "compose.yaml").unlink()
    case = "tests/examples/test_hello.py::test_user[a]"
    ends = iter(["", case, case if again else ""])
    copies(lambda files: next(ends))

    assert runner.Trial(hello, top=tmp_path).run().killed == again


def test_a_listed_mutant_is_tried_against_its_claim(hello, tmp_path, copies):
    """A mutant that lists a claim is tried against that claim alone."""
    (tmp_path / EXPECTATIONS).write_text(
        '[[mutants]]\npath = "Dockerfile"\nold = "1\\n"\nnew = "2\\n"\nclaim = "test_user"\n'
    )
    (hello.root / "Dockerfile").write_text("USER 1\n")
    made = copies(_user)
    runner.Trial(hello, top=tmp_path).run()

    assert made[0].asked[-1] == ("--on-engine", "tests/examples/test_hello.py::test_user")


def test_tests_that_fail_anyway_tell_nothing(hello, tmp_path, copies):
    """Where a test fails without any fault, no mutant is tried, and the message has the reason and the command."""
    copies(lambda files: "t.py::test_user")

    with pytest.raises(DrydockError) as error:
        runner.Trial(hello, top=tmp_path).run()
    assert str(error.value).splitlines() == [
        "hello: t.py::test_user fails without any fault:",
        *REPORT.splitlines()[2:6],
        "Fix this first; see: nox -s examples -- hello",
    ]


def test_progress_is_printed(hello, tmp_path, monkeypatch, copies, capsys):
    """While mutants are tried, their number is printed at an interval."""
    monkeypatch.setattr(runner, "PROGRESS_INTERVAL", 0.01)
    for name, value in {"load_scores": dict, "save_scores": lambda scores: None}.items():
        monkeypatch.setattr(runner, name, value)
    monkeypatch.setattr(runner.resources, "prune_images", lambda engine, until: None)
    copies(lambda files: time.sleep(0.02) or _user(files))

    assert runner._run_trials([runner.Trial(hello, top=tmp_path)], None, 1) == []
    output = capsys.readouterr().out
    assert "drydock: 0 of 6 mutants tried\n" in output
    assert "drydock: 5 of 6 mutants tried\n" in output
    assert "drydock: hello: 6 mutants, 1 killed, 0 equivalent, 5 survived\n" in output


@pytest.fixture(name="top")
def _top(tmp_path):
    """A repository whose tests are plain ones: without Drydock's plugin, which would ask for an engine."""
    top = tmp_path / "top"
    (top / "tests/examples").mkdir(parents=True)
    (top / "tests/test_conventions.py").write_text("")
    (top / "tests/test_security.py").write_text(
        "import pytest\n\n@pytest.mark.parametrize('slug', ['hello'])\ndef test_a(slug):\n    pass\n"
    )
    (top / "conftest.py").write_text(
        "import time\n\ndef pytest_addoption(parser):\n    parser.addoption('--on-engine', action='store_true')\n"
        "    parser.addoption('--no-history', action='store_true')\n"
    )
    (top / "tests/examples/test_transcripts.py").write_text("")
    (top / "tests/examples/test_hello.py").write_text(
        "import time\nfrom pathlib import Path\n\nPLACE = Path(__file__).parents[2] / 'examples/hello/Dockerfile'\n\n"
        "def test_b():\n    pass\n\ndef test_c():\n    assert 'USER' in PLACE.read_text()\n\n"
        "def test_d():\n    time.sleep(60 if 'SLOW' in PLACE.read_text() else 0)\n"
    )
    (top / EXPECTATIONS).write_text("")
    shutil.copytree(ROOT / "drydock", top / "drydock", ignore=shutil.ignore_patterns("__pycache__", "site"))
    return top


@pytest.fixture(name="real")
def _real(hello, top):
    with runner.Sandbox(hello, top) as sandbox:
        yield sandbox


def test_a_sandbox_runs_tests_repeatedly(real):
    """Each run names its first failure. A change in a file has its effect, though the tests were collected before."""
    tests = "tests/examples/test_hello.py"

    def failure(*arguments):
        return real.first_failure(*arguments)[0]

    assert failure("-k", "[hello]", *runner.STATIC_TESTS) == ""
    assert failure("--on-engine", *real.engine_tests) == ""
    (real.example_folder / "Dockerfile").write_text("FROM a:1\n")
    test, report = real.first_failure("--on-engine", *real.engine_tests)
    assert test == f"{tests}::test_c"
    assert "E   AssertionError: assert 'USER' in" in runner._failure_reason(report)
    assert failure("--on-engine", f"{tests}::test_b") == ""
    with pytest.raises(DrydockError, match="exit 4"):
        failure("test_gone.py")


def test_a_run_that_never_ends_is_ended(real, monkeypatch):
    """A mutant on which a test hangs is ended at the timeout, which counts as killed, and the next one is tried."""
    monkeypatch.setattr(runner, "TIMEOUT", 0.5)
    before = (real.example_folder / "Dockerfile").read_text()
    (real.example_folder / "Dockerfile").write_text(f"{before}# SLOW\n")

    assert real.first_failure("--on-engine", *real.engine_tests)[0] == "timeout after 0.5 s"
    monkeypatch.setattr(runner, "TIMEOUT", 60)
    (real.example_folder / "Dockerfile").write_text(before)
    assert real.first_failure("--on-engine", *real.engine_tests) == ("", "")


#: Tries the mutants of an example, in a process of its own.
TRIAL = """
import sys
from functools import partial
from pathlib import Path
from drydock.engine import choose
from drydock.host import exit_on_signals
from drydock.model.example import Example
from drydock.model.expectations import expectations_file
from drydock.mutation import runner
example, top = Example(Path(sys.argv[1])), Path(sys.argv[2])
runner.examples.load_examples = lambda: {"hello": example}
runner.load_scores = dict
runner.save_scores = lambda scores: None
runner.Trial = partial(runner.Trial, top=top)
choose.get_engine = lambda: None
exit_on_signals()
sys.exit(runner.main(["hello"]))
"""
#: A test that takes long, and leaves a file when it begins and one when it cleans up.
LONG = """
import time
from pathlib import Path

def test_long():
    place = Path({place!r})
    (place / "began").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (place / "cleaned").touch()
        raise
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_tests_clean_up(hello, top, tmp_path, number):
    """After a signal, the tests that run clean up, and the runner waits for them."""
    (top / "tests/examples/test_hello.py").write_text(LONG.format(place=str(tmp_path)))
    command = [sys.executable, "-c", TRIAL, str(hello.root), str(top)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        until(lambda: running.poll() is None and (tmp_path / "began").exists(), "tests that run", 60)
        running.send_signal(number)
        running.wait(timeout=30)

    assert running.returncode != 0
    assert (tmp_path / "cleaned").exists()


def test_an_unknown_example_is_named(capsys):
    """An unknown slug is reported with similar ones, before an engine is needed."""
    assert runner.main(["helo-container"]) == 1
    assert "hello-container" in capsys.readouterr().out


def test_scores_survive_the_file(tmp_path):
    """Scores are loaded as they were saved, and any other content is refused."""
    kills = {"Dockerfile:3: drop RUN b": "tests/examples/test_hello.py::test_b"}
    scores = {"hello": Score("d", 3, 1, ("Dockerfile:2: drop USER 1",), ("Dockerfile:1: drop FROM a",), kills)}
    mutation_scores.save_scores(scores, tmp_path)

    assert mutation_scores.load_scores(tmp_path) == scores
    for text in (
        "{",
        "[]",
        '{"hello": {}}',
        json.dumps({"hello": {"digest": "d", "tried": -1, "killed": 0, "equivalent": [], "survivors": []}}),
        json.dumps({"hello": {"digest": "d", "tried": 2, "killed": 1, "equivalent": [], "survivors": []}}),
    ):
        (tmp_path / mutation_scores.SCORES_FILE).write_text(text)
        with pytest.raises(MalformedError, match="nox -s mutants"):
            mutation_scores.load_scores(tmp_path)


def test_the_site_shows_the_scores(site):
    """The page has a row per example, the survivors by file and line, and the sum; what changed since is left out."""
    site.write("tests/examples/greeting.toml", "")
    example = Example(site.top / "examples/greeting")
    count = len(mutants.derive_mutants(example))
    score = Score(example.digest(readme=False), count, count - 1, (), ("Dockerfile:1: drop FROM <a>",))
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n:::{mutants}\n:::")

    def build(**changes):
        scores = {"greeting": dataclasses.replace(score, **changes), "gone": Score("d", 1, 1)}
        mutation_scores.save_scores(scores, site.top)
        built = site.build()
        assert built.warnings == []
        return built.text("first.html")

    html = build()
    assert "drop FROM &lt;a&gt;</code>" in html
    assert f"<p>{count - 1}</p>" in html
    assert "drop FROM &lt;a&gt;" not in build(tried=count - 1, killed=count - 2)
    site.write("examples/greeting/more", "new\n")
    assert "drop FROM &lt;a&gt;" not in site.build().text("first.html")


def test_a_score_is_current_while_it_counts_all_mutants(hello, tmp_path):
    """A score is old once the files change, or there are more mutants, or one is no longer listed as equivalent."""
    equivalent = '[equivalent]\n"Dockerfile: drop USER 1" = "why"\n'
    (tmp_path / EXPECTATIONS).write_text(equivalent)
    score = Score(hello.digest(readme=False), 6, 5, ("Dockerfile:2: drop USER 1",))

    assert mutants.is_current(score, hello, tmp_path)
    assert not mutants.is_current(dataclasses.replace(score, tried=5, killed=4), hello, tmp_path)
    (tmp_path / EXPECTATIONS).write_text("")
    assert not mutants.is_current(score, hello, tmp_path)
    (tmp_path / EXPECTATIONS).write_text(equivalent)
    (hello.root / "more.txt").write_text("")
    assert not mutants.is_current(score, hello, tmp_path)
