"""Claims of the example entrypoint-script."""

from __future__ import annotations

import json
import time

import pytest

from drydock.fixtures import until

NAMED = ("--env", "NAME=world")
FAREWELL = "SIGTERM: saved, leaving"
READY = "ready, name = world"
#: A command that prints each of its words in brackets.
PRINT = ("python", "-c", "import sys; print(sys.argv[1:])")


@pytest.fixture
def start(docker, name):
    """Start a container of an image, and wait until the program is ready; return its name."""

    def call(image: str) -> str:
        container = name("app")
        docker("run", "--detach", *NAMED, "--stop-timeout=2", "--name", container, image)
        until(lambda: READY in docker("logs", container).stdout, f"{READY!r} in the log of {container}")
        return container

    return call


@pytest.fixture
def changed(docker, example, prefix, tmp_path):
    """Build the good image with one text of a file replaced: ``changed("entrypoint.sh", "exec ", "")``."""

    def call(file: str, old: str, new: str) -> str:
        copy = example.copy_to(tmp_path)
        before = (copy / file).read_text()
        assert old in before
        (copy / file).write_text(before.replace(old, new))
        tag = f"{prefix}:changed"
        docker("build", "--tag", tag, str(copy))
        return tag

    return call


def first(docker, container: str) -> str:
    """Return the command line of a container's process 1."""
    return docker("exec", container, "xargs", "-0", "-a", "/proc/1/cmdline").stdout.strip()


def ended(docker, container: str) -> int:
    """Return the exit status of a container."""
    return json.loads(docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout)


# The good one.


def test_hands_over(docker, build, start):
    """After exec "$@" process 1 is the program, not the script."""
    assert first(docker, start(build())) == "python app.py"


def test_stops_when_asked(docker, build, start, repeat, measure):
    """At docker stop the program says goodbye and ends before the timeout, with exit status 0."""

    def stop() -> float:
        container = start(build())
        begin = time.monotonic()
        docker("stop", container)
        seconds = time.monotonic() - begin
        assert FAREWELL in docker("logs", container).stdout
        assert ended(docker, container) == 0
        docker("rm", container)
        return seconds

    measure("stop", repeat(stop), "seconds", high=2)


def test_any_command(docker, build):
    """Arguments after the image's name are another command, which reads the file that the script wrote."""
    done = docker("run", "--rm", *NAMED, build(), "cat", "/tmp/app.conf")

    assert done.stdout == "name = world\n"


def test_words_stay_whole(docker, build):
    """By "$@" in quotes each word reaches the command as it was given, with its spaces, and even when it is empty."""
    done = docker("run", "--rm", *NAMED, build(), *PRINT, "two words", "")

    assert done.stdout == "['two words', '']\n"


def test_words_fall_apart(docker, changed):
    """By $@ without quotes the words fall apart at their spaces, and empty ones are lost."""
    image = changed("entrypoint.sh", 'exec "$@"', "exec $@")
    done = docker("run", "--rm", *NAMED, image, "printf", "<%s>", "two words", "")

    assert done.stdout == "<two><words>"


def test_says_what_is_missing(docker, build):
    """Without the variable it needs, the script ends before the program is started, and says what to do."""
    done = docker("run", "--rm", build(), check=False)

    assert done.returncode == 2
    assert "NAME: is not set, use docker run --env NAME=..." in done.stderr
    assert "Traceback" not in done.stderr


def test_exec_does_not_pass_the_script(docker, build, start):
    """What docker exec starts does not pass through the script."""
    container = start(build())
    docker("exec", container, "rm", "/tmp/app.conf")
    docker("exec", container, "true")

    assert docker("exec", container, "ls", "/tmp").stdout == ""


# The broken ones.


def test_noexec_stays_pid_1(docker, build, start):
    """Without exec the script stays process 1: docker stop ends in status 137, and the program doesn't say goodbye."""
    container = start(build("Dockerfile.noexec"))
    seen = first(docker, container)
    docker("stop", container)

    assert seen == "/bin/sh /app/entrypoint.sh python app.py"
    assert ended(docker, container) == 137
    assert FAREWELL not in docker("logs", container).stdout


def test_crlf(docker, build):
    """A script with Windows line ends does not start: "no such file or directory", about a file that is there."""
    image = build("Dockerfile.crlf")
    done = docker("run", "--rm", *NAMED, image, check=False)
    with_return = docker("run", "--rm", "--entrypoint", "grep", image, "-cP", r"\r$", "/app/entrypoint.sh")

    assert done.returncode != 0
    assert "exec /app/entrypoint.sh: no such file or directory" in done.stderr
    assert int(with_return.stdout) > 1


def test_no_such_interpreter(docker, changed):
    """A first line that names a program that the image lacks gives the same message as Windows line ends."""
    done = docker("run", "--rm", *NAMED, changed("entrypoint.sh", "#!/bin/sh", "#!/bin/zsh"), check=False)

    assert done.returncode != 0
    assert "exec /app/entrypoint.sh: no such file or directory" in done.stderr


def test_noshebang(docker, build):
    """A script whose first line does not say who is to read it does not start: "exec format error"."""
    done = docker("run", "--rm", *NAMED, build("Dockerfile.noshebang"), check=False)

    assert done.returncode != 0
    assert "exec /app/entrypoint.sh: exec format error" in done.stderr


def test_first_line_is_the_first(docker, changed):
    """An empty line above the one that says who is to read the script has the same effect as leaving it out."""
    done = docker("run", "--rm", *NAMED, changed("entrypoint.sh", "#!/bin/sh", "\n#!/bin/sh"), check=False)

    assert done.returncode != 0
    assert "exec /app/entrypoint.sh: exec format error" in done.stderr


def test_notexec(docker, build, only_docker):
    """A script that may not be run does not start: "permission denied", with exit status 126."""
    done = docker("run", "--rm", *NAMED, build("Dockerfile.notexec"), check=False)
    only_docker("behind Podman's socket, Docker's client ends with exit status 1 and does not learn why")

    assert done.returncode == 126
    assert 'exec: "/app/entrypoint.sh": permission denied' in done.stderr


def test_notexec_by_name(docker, changed, only_docker):
    """Asked for by its name alone, a script that may not be run is not even found: exit status 127."""
    only_docker("behind Podman's socket, Docker's client ends with exit status 1 and does not learn why")
    image = changed("Dockerfile", "--chmod=755 entrypoint.sh .", "--chmod=644 entrypoint.sh /usr/local/bin/")
    done = docker("run", "--rm", "--entrypoint", "entrypoint.sh", image, check=False)

    assert done.returncode == 127
    assert 'exec: "entrypoint.sh": executable file not found in $PATH' in done.stderr


def test_shell_form_loses_the_command(docker, build):
    """With ENTRYPOINT in shell form the script gets no command: it ends with exit status 0, and prints nothing."""
    done = docker("run", "--rm", *NAMED, build("Dockerfile.shell"))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_attributes_keep_line_ends(folder):
    """The example tells Git to keep the line ends of scripts, and its own script has no Windows line ends."""
    assert "*.sh text eol=lf" in (folder / ".gitattributes").read_text().splitlines()
    assert b"\r" not in (folder / "entrypoint.sh").read_bytes()


# Compose.


def test_compose(docker, docker_services, docker_compose_project_name):
    """With Compose the script prepares and hands over too, on a read-only disk with a /tmp in memory."""
    container = f"{docker_compose_project_name}-app-1"
    until(lambda: "ready, name = compose" in docker("logs", container).stdout, "the program ready")

    assert first(docker, container) == "python app.py"
    assert docker("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", container).stdout == "true\n"
    assert docker("exec", container, "stat", "--file-system", "--format", "%T", "/tmp").stdout == "tmpfs\n"
