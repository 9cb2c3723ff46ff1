"""Claims of the example cmd-vs-entrypoint."""

from __future__ import annotations

import json
import re
import shlex

import pytest

FORMS = {
    "ENTRYPOINT": {"none": "no ENTRYPOINT", "shell": "ENTRYPOINT show entry", "exec": 'ENTRYPOINT ["show", "entry"]'},
    "CMD": {"none": "no CMD", "shell": "CMD show cmd", "exec": 'CMD ["show", "cmd"]'},
}
#: By ENTRYPOINT and CMD.
COMBINATIONS = [(entry, cmd) for cmd in FORMS["CMD"] for entry in FORMS["ENTRYPOINT"]]

#: What starts without words: the table of the Dockerfile reference, with `show entry` for its `exec_entry p1_entry`,
#: and with the words that the shell of an ENTRYPOINT is given and does not read.
STARTS = {
    ("shell", "none"): "/bin/sh -c 'show entry'",
    ("exec", "none"): "show entry",
    ("none", "shell"): "/bin/sh -c 'show cmd'",
    ("shell", "shell"): "/bin/sh -c 'show entry' /bin/sh -c 'show cmd'",
    ("exec", "shell"): "show entry /bin/sh -c 'show cmd'",
    ("none", "exec"): "show cmd",
    ("shell", "exec"): "/bin/sh -c 'show entry' show cmd",
    ("exec", "exec"): "show entry show cmd",
}
#: What the words `show args` behind the image's name are added to, by ENTRYPOINT.
PUT_BEFORE = {"none": "", "shell": "/bin/sh -c 'show entry' ", "exec": "show entry "}
#: What the program says where `show args` is behind the image's name, by ENTRYPOINT.
SAYS = {
    "none": 'process 1 was given ["args"]',
    "shell": 'a child of sh was given ["entry"]',
    "exec": 'process 1 was given ["entry", "show", "args"]',
}


@pytest.fixture
def starts(docker, build, name):
    """Return what Docker starts for each combination: ``starts("show", "args", entrypoint="show")``."""

    def call(*words: str, entrypoint: str = "") -> dict[tuple[str, str], str]:
        options = [f"--entrypoint={entrypoint}"] if entrypoint else []
        made, found = {}, dict.fromkeys(COMBINATIONS, "")
        for pair in COMBINATIONS:
            container = name("-".join((*pair, *words, entrypoint)))
            image = build("Dockerfile.matrix", target="-".join(pair))
            done = docker("create", "--name", container, *options, image, *words, check=False)
            if done.returncode:
                found[pair] = re.sub(r".*: ", "error: ", done.stderr.splitlines()[0]).rstrip(".")
            else:
                made[pair] = container
        lines = docker("inspect", "--format", "[{{json .Path}}, {{json .Args}}]", *made.values()).stdout.splitlines()
        for pair, line in zip(made, lines, strict=True):
            path, args = json.loads(line)
            found[pair] = shlex.join([path, *args])
        return found

    return call


def grid(cells: dict[tuple[str, str], str]) -> list[dict]:
    """Return the rows of a grid: CMD down, ENTRYPOINT across."""
    return [
        {"row": code(FORMS["CMD"][cmd]), "column": code(FORMS["ENTRYPOINT"][entry]), "cell": code(cell)}
        for (entry, cmd), cell in cells.items()
    ]


def code(text: str) -> str:
    """Return a text of a grid: code, unless it says that there is none."""
    return text if text.startswith(("no ", "error")) else f"`{text}`"


def has_checks(docker) -> None:
    """Skip where the builder does not check Dockerfiles."""
    if "--check" not in docker("build", "--help").stdout:
        pytest.skip("its builder is older than build checks")


# One image.


def test_cmd_is_what_entrypoint_is_given(docker, build):
    """With both in exec form, ENTRYPOINT is the program and CMD the words that it is given by default."""
    assert docker("run", "--rm", build()).stdout == 'process 1 was given ["hello"]\n'


def test_words_replace_cmd(docker, build):
    """Words behind the image's name replace CMD, not ENTRYPOINT; each arrives whole, with its spaces."""
    done = docker("run", "--rm", build(), "good day", "sir")

    assert done.stdout == 'process 1 was given ["good day", "sir"]\n'


def test_flags_reach_the_program(docker, build):
    """With ENTRYPOINT in exec form, --help behind the image's name reaches the program."""
    assert docker("run", "--rm", build(), "--help").stdout == 'process 1 was given ["--help"]\n'


def test_cmd_alone_is_the_command(docker, build):
    """Without ENTRYPOINT, CMD is the whole command, and words behind the image's name replace all of it."""
    image = build("Dockerfile.cmd")

    assert docker("run", "--rm", image).stdout == 'process 1 was given ["hello"]\n'
    assert docker("run", "--rm", image, "echo", "x").stdout == "x\n"


def test_flags_need_a_program(docker, build, only_docker):
    """Without ENTRYPOINT, --help behind the image's name is taken for a program: exit status 127."""
    only_docker("behind Podman's socket, Docker's client ends with exit status 1 and does not learn why")
    done = docker("run", "--rm", build("Dockerfile.cmd"), "--help", check=False)

    assert done.returncode == 127
    assert 'exec: "--help": executable file not found in $PATH' in done.stderr


def test_another_script(docker, prefix, folder):
    """With an interpreter as ENTRYPOINT and a script as CMD, a word behind the image's name is another script."""
    for script in ("app", "test"):
        (folder / f"{script}.py").write_text("import sys\nprint(sys.argv)\n")
    (folder / "Dockerfile.script").write_text(
        'FROM python:3.13-slim\nCOPY *.py ./\nUSER 10001\nENTRYPOINT ["python"]\nCMD ["app.py"]\n'
    )
    docker("build", "--file", str(folder / "Dockerfile.script"), "--tag", f"{prefix}:script", str(folder))

    assert docker("run", "--rm", f"{prefix}:script").stdout == "['app.py']\n"
    assert docker("run", "--rm", f"{prefix}:script", "test.py", "-v").stdout == "['test.py', '-v']\n"


def test_entrypoint_is_not_fixed(docker, build):
    """ENTRYPOINT is not fixed: --entrypoint runs another program, and words behind the image's name go to that."""
    done = docker("run", "--rm", "--entrypoint", "ls", build(), "/usr/local/bin/show")

    assert done.stdout == "/usr/local/bin/show\n"


def test_entrypoint_option_drops_cmd(docker, build):
    """The option --entrypoint drops the image's CMD: the program is given no words, not the default ones."""
    done = docker("run", "--rm", "--entrypoint", "show", build())

    assert done.stdout == "process 1 was given []\n"


def test_compose_words_and_entrypoint(docker, folder, prefix):
    """In Compose, command replaces CMD, and entrypoint replaces ENTRYPOINT and drops CMD."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-compose"]
    docker(*compose, "build", "--quiet", timeout=300)
    said = [docker(*compose, "run", "--rm", service).stdout for service in ("plain", "words", "other")]

    assert said == ['process 1 was given ["hello"]\n', 'process 1 was given ["from", "compose"]\n', "\n"]


# The matrix.


def test_matrix(starts, table):
    """All nine combinations start what the reference says, except that an ENTRYPOINT in shell form gets CMD too."""
    found = starts()
    table("plain", "grid", grid(found))

    assert found.pop(("none", "none")).startswith("error: no command")
    assert found == STARTS


def test_matrix_with_words(starts, table):
    """Words behind the image's name take the place of CMD in all nine combinations, whatever its form."""
    found = starts("show", "args")
    table("words", "grid", grid(found))

    assert found == {(entry, cmd): f"{PUT_BEFORE[entry]}show args" for entry, cmd in COMBINATIONS}


def test_matrix_with_entrypoint_option(starts, table):
    """With --entrypoint neither ENTRYPOINT nor CMD counts any more: all nine images start the same."""
    found = starts(entrypoint="show")
    table("entrypoint", "grid", grid(found))

    assert set(found.values()) == {"show"}
    assert set(starts("args", entrypoint="show").values()) == {"show args"}


def test_matrix_as_the_program_sees_it(docker, build, name, table):
    """An ENTRYPOINT in shell form ignores CMD and the arguments after the image's name, and is not process 1."""
    names = {pair: name("-".join(pair)) for pair in COMBINATIONS}
    for (entry, cmd), made in names.items():
        docker("create", "--name", made, build("Dockerfile.matrix", target=f"{entry}-{cmd}"), "show", "args")
    docker("start", *names.values())
    docker("wait", *names.values())
    found = {pair: docker("logs", made).stdout.strip() for pair, made in names.items()}
    table("says", "grid", grid(found))

    shells = [build("Dockerfile.matrix", target=f"shell-{cmd}") for cmd in FORMS["CMD"]]
    alone = {docker("run", "--rm", image).stdout.strip() for image in shells}

    assert found == {(entry, cmd): SAYS[entry] for entry, cmd in COMBINATIONS}
    assert alone == {SAYS["shell"]}


# A base image's CMD.


def config(docker, image: str) -> list:
    """Return ENTRYPOINT and CMD of an image; an empty list where there is none."""
    found = docker("image", "inspect", "--format", "[{{json .Config.Entrypoint}}, {{json .Config.Cmd}}]", image)
    return [words or [] for words in json.loads(found.stdout)]


def test_cmd_is_inherited(docker, build):
    """An image that says nothing about CMD has that of its base image."""
    build("Dockerfile.matrix", target="exec-none")  # so that the base is there

    assert config(docker, "python:3.13-slim") == [[], ["python3"]]
    assert config(docker, build("Dockerfile.child", target="parent"))[1] == ["show", "hello"]


def test_entrypoint_resets_cmd(docker, build):
    """An image that sets ENTRYPOINT loses the CMD of its base image, until it says it again."""
    child, mended = (build("Dockerfile.child", target=target) for target in ("child", "mended"))

    assert config(docker, child) == [["show"], []]
    assert docker("run", "--rm", child).stdout == "process 1 was given []\n"
    assert config(docker, mended) == [["show"], ["hello"]]


# Forms.


def test_exec_form_expands_nothing(docker, build):
    """Exec form does not expand variables, as there is no shell; shell form does."""
    said = {form: docker("run", "--rm", build("Dockerfile.variable", target=form)).stdout for form in ("exec", "shell")}

    assert said == {"exec": "hello $NAME\n", "shell": "hello world\n"}


def test_shell_form_is_a_list_with_a_shell(docker, build):
    """Shell form is stored as a list too, of /bin/sh, -c and the line."""
    image = build("Dockerfile.variable", target="shell")

    assert config(docker, image)[1] == ["/bin/sh", "-c", 'echo "hello $NAME"']


def test_single_quotes_make_it_shell_form(docker, build):
    """A list in single quotes builds, is taken for shell form, and fails with exit status 127."""
    image = build("Dockerfile.quotes")
    done = docker("run", "--rm", image, check=False)

    assert config(docker, image)[1] == ["/bin/sh", "-c", "['echo', 'hello']"]
    assert (done.returncode, done.stderr) == (127, "/bin/sh: 1: [echo,: not found\n")


def test_last_cmd_wins(docker, build):
    """Of two CMD in a stage only the last one counts."""
    assert docker("run", "--rm", build("Dockerfile.twice")).stdout == 'process 1 was given ["second"]\n'


def test_build_checks_warn(docker, folder, only_docker):
    """The builder's checks warn of shell form and of a second CMD, and are silent about the good Dockerfile."""
    only_docker("Podman's builder has no checks")
    has_checks(docker)
    found = {}
    for fault in ("Dockerfile", "Dockerfile.quotes", "Dockerfile.twice"):
        said = docker("build", "--check", "--file", str(folder / fault), str(folder), check=False).stdout
        found[fault] = re.findall(r"^WARNING: (\w+)", said, re.MULTILINE)

    assert found == {
        "Dockerfile": [],
        "Dockerfile.quotes": ["JSONArgsRecommended"],
        "Dockerfile.twice": ["MultipleInstructionsDisallowed"],
    }
