"""Claims of the example args-and-env."""

from __future__ import annotations

import json

import pytest

#: Where a variable is set in Dockerfile.scope, and the value it has there.
PLACES = {
    "`ARG` in the stage": "my-arg",
    "`ENV` in the stage": "my-env",
    "`ARG` in its base stage": "arg-of-below",
    "`ENV` in its base stage": "env-of-below",
    "`ARG` in another stage": "arg-of-other",
    "`ENV` in another stage": "env-of-other",
    "`ARG` above the first `FROM`": "above-from",
    "the same, named again in the stage": "named-again",
    "`export` in an earlier `RUN`": "by-run",
}


@pytest.fixture(scope="module")
def said(docker):
    """Run an image, and return what it printed: ``said(image, "--env", "A=1")``."""
    return lambda image, *options: docker("run", "--rm", *options, image).stdout


@pytest.fixture(scope="module")
def settings(docker):
    """Return the variables that ``docker inspect`` shows of an image or a container."""

    def call(thing):
        return dict(line.split("=", 1) for line in json.loads(docker("inspect", thing).stdout)[0]["Config"]["Env"])

    return call


@pytest.fixture
def history(docker):
    """Return the instructions in an image's history, in one text."""
    return lambda image: docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout


def test_arg_is_for_the_build(docker, build, said):
    """A RUN has the value of an ARG above it; the container does not have that variable."""
    image = build("Dockerfile", "--build-arg", "VERSION=1.2")

    assert docker("run", "--rm", image, "cat", "/built").stdout == "built as 1.2\n"
    assert said(image) == "hello from 1.2, VERSION is not set\n"


def test_arg_has_a_default(build, said):
    """What stands behind the name in ARG is the value of a build that is given no other."""
    assert said(build()) == "hello from dev, VERSION is not set\n"


def test_env_keeps_an_arg(build, settings):
    """ENV A=$B below ARG B keeps in the image the value that B has in that build."""
    assert settings(build())["APP_VERSION"] == "dev"
    assert settings(build("Dockerfile", "--build-arg", "VERSION=1.2"))["APP_VERSION"] == "1.2"


def test_arg_is_not_for_docker_run(build, said):
    """A value that ENV took from an ARG stays as it was built, even if docker run --env sets that ARG's name."""
    assert said(build(), "--env", "VERSION=9") == "hello from dev, VERSION is 9\n"


def test_build_arg_from_the_shell(docker, folder, name, said, monkeypatch):
    """A --build-arg with a name alone takes its value from the shell that starts the build."""
    monkeypatch.setenv("VERSION", "from-shell")
    docker("build", "--build-arg", "VERSION", "--tag", name("shell"), str(folder), timeout=300)

    assert said(name("shell")).startswith("hello from from-shell,")


def test_unknown_build_arg(build, said):
    """A --build-arg without an ARG in the Dockerfile doesn't change an ENV of that name, and the build succeeds."""
    assert said(build("Dockerfile", "--build-arg", "APP_VERSION=1.2")).startswith("hello from dev,")


def test_required(docker, build, folder, said):
    """With ${A:?words} a RUN ends the build with those words when A is not given."""
    file = str(folder / "Dockerfile.required")
    failed = docker("build", "--file", file, str(folder), check=False, timeout=300)

    assert failed.returncode != 0
    assert "VERSION: give one with --build-arg" in failed.stdout + failed.stderr
    assert said(build("Dockerfile.required", "--build-arg", "VERSION=1.2")) == "built as 1.2\n"


def test_cmd_has_no_arg(build, said, settings):
    """A CMD in shell form that asks for an ARG gets nothing, for its shell runs in the container."""
    image = build("Dockerfile.arg-only", "--build-arg", "VERSION=1.2")

    assert said(image) == "version: []\n"
    assert said(image, "--env", "VERSION=9") == "version: [9]\n"
    assert "VERSION" not in settings(image)


def test_run_forgets(build, said):
    """Each RUN is a shell of its own: after cd and export, the next one is in / and has no such variable."""
    assert said(build("Dockerfile.forgets")) == "hello from /tmp\n(no GREETING) from /\n"


def test_history_has_the_value(build, history):
    """The image's history shows the value that was given with --build-arg, on the row of ARG and on the RUN below."""
    rows = history(build("Dockerfile", "--build-arg", "VERSION=1.2")).splitlines()

    assert any("ARG" in row and "VERSION=1.2" in row for row in rows)
    assert any("VERSION=1.2" in row and "built as" in row for row in rows)


def test_who_sees_it(only_docker, build, said, settings, history, docker, table, folder):
    """Where a variable is set decides whether a RUN, the container, docker inspect and the history have it."""
    only_docker("These are the rules of BuildKit; Podman's builder is another one")
    image = build("Dockerfile.scope")
    dockerfile = (folder / "Dockerfile.scope").read_text()
    places = {
        "a `RUN` below": said(image),
        "the container": docker("run", "--rm", image, "env").stdout,
        "`docker inspect`": json.dumps(settings(image)),
        "`docker history`": history(image),
    }
    seen = {row: [value in text for text in places.values()] for row, value in PLACES.items()}
    cells = [
        {"row": row, "column": column, "cell": "yes" if there else "no"}
        for row, found in seen.items()
        for column, there in zip(places, found, strict=True)
    ]
    table("scope", "grid", cells)

    assert all(value in dockerfile for value in PLACES.values())  # what nobody sees is there all the same
    nobody, build_only, everybody = [False] * 4, [True, False, False, True], [True] * 4
    expected = [build_only, everybody, build_only, everybody, nobody, nobody, nobody, build_only]
    assert list(seen.values()) == [*expected, [False, False, False, True]]


def test_other_stage(build, said):
    """Neither an ARG nor an ENV of another stage is known in a stage that begins from another image."""
    seen = said(build("Dockerfile.scope"))

    assert "my-arg" in seen
    assert "OTHER" not in seen


def test_above_from(build, said):
    """An ARG above the first FROM is unknown in a stage until an ARG without a value names it again."""
    seen = said(build("Dockerfile.scope", "--build-arg", "AGAIN=given")).splitlines()

    assert "AGAIN=given" in seen
    assert not any(line.startswith("ABOVE=") for line in seen)


def test_next_image(docker, build, name):
    """An image that is built on another one has its ENV, and none of its ARGs."""
    lines = f"FROM {build()}\nUSER 0\nRUN env > /seen\n"
    docker("build", "--tag", name("next"), "-", input=lines, timeout=300)
    seen = docker("run", "--rm", name("next"), "cat", "/seen").stdout.splitlines()

    assert {"GREETING=hello", "APP_VERSION=dev"} <= set(seen)
    assert not any(line.startswith("VERSION=") for line in seen)


def test_same_name(only_docker, build, said):
    """Of an ARG and an ENV of one name a RUN sees the lower one, even against --build-arg; the container sees ENV."""
    only_docker("These are the rules of BuildKit; Podman's builder is another one")
    image = build("Dockerfile.same-name", "--build-arg", "ONE=cli", "--build-arg", "TWO=cli")

    assert said(image) == "in RUN: ONE is env, TWO is cli\nin the container: ONE is env, TWO is env\n"


def test_env_option(docker, build, said, settings, name):
    """With --env a container has another value than the image, and docker inspect shows it for the container alone."""
    docker("create", "--name", name("hi"), "--env", "GREETING=hi", build())

    assert said(build(), "--env", "GREETING=hi").startswith("hi from dev,")
    assert settings(name("hi"))["GREETING"] == "hi"
    assert settings(build())["GREETING"] == "hello"


def test_env_from_the_shell(build, said, monkeypatch):
    """An --env with a name alone takes the value from your shell; if there is none, the image's is taken away."""
    monkeypatch.setenv("GREETING", "salut")
    given = said(build(), "--env", "GREETING")
    monkeypatch.delenv("GREETING")
    removed = said(build(), "--env", "GREETING")

    assert given.startswith("salut from dev,")
    assert removed.startswith("(no GREETING) from dev,")


def test_env_file(build, said, tmp_path):
    """Docker run --env-file takes what stands behind the = as it is, quotes and dollars included; --env goes before."""
    file = tmp_path / "run.env"
    file.write_text('GREETING="good $HOME"\n')

    assert said(build(), "--env-file", str(file)).startswith('"good $HOME" from dev,')
    assert said(build(), "--env", "GREETING=hi", "--env-file", str(file)).startswith("hi from dev,")


def test_compose(docker, folder, prefix):
    """In a Compose file build.args is what --build-arg is, and environment what --env is."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-compose"]
    docker(*compose, "build", timeout=300)
    ran = docker(*compose, "run", "--rm", "greet").stdout
    docker(*compose, "down")

    assert ran == "good morning from 1.2, VERSION is not set\n"
