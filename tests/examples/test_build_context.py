"""Claims of the example build-context."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

import pytest

CLUTTER = 20_000_000
#: What the good .dockerignore lets through, as the image has it.
WANTED = ["/site/app/hello.txt", "/site/notes/note.txt"]


@pytest.fixture
def copy(example, tmp_path):
    """A copy of the example for one test to change, with all that piles up in such a folder."""
    copy = example.copy_to(tmp_path)
    subprocess.run(["./clutter"], cwd=copy, check=True)
    return copy


def parsed(text):
    """Yield the JSON objects in the text; older builders spread each over several lines."""
    while text := text.lstrip():
        found, end = json.JSONDecoder().raw_decode(text)
        yield found
        text = text[end:]


@pytest.fixture
def log(docker, copy, name, only_docker):
    """Build the copy and return the builder's log, parsed: ``log("Dockerfile.one", "--no-cache")``."""

    def call(dockerfile="Dockerfile", *options):
        only_docker("Podman's client sends the whole folder, and its builder keeps another log")
        args = ["--file", str(copy / dockerfile), "--tag", name("image"), *options, str(copy)]
        text = docker("build", "--progress=rawjson", *args, timeout=300).stderr
        return list(parsed(text))

    return call


@pytest.fixture
def sent(log):
    """Build the copy and return the bytes that the builder was sent of it, None if it asked for nothing."""

    def call(*args):
        lines = log(*args)
        contexts = {
            vertex["digest"]
            for line in lines
            for vertex in line.get("vertexes", ())
            if vertex["name"] == "[internal] load build context"
        }
        counts = [
            status["current"]
            for line in lines
            for status in line.get("statuses", ())
            if status["vertex"] in contexts and status["id"] == "transferring context:"
        ]
        return max(counts, default=None)

    return call


@pytest.fixture
def repeated(log):
    """Build the copy and say whether its COPY was done anew, and not found in the cache."""

    def call(dockerfile="Dockerfile"):
        vertexes = [vertex for line in log(dockerfile) for vertex in line.get("vertexes", ())]
        copies = [vertex for vertex in vertexes if "] COPY " in vertex["name"]]
        return not any(vertex.get("cached") for vertex in copies)

    return call


@pytest.fixture
def files(docker, name):
    """Build a folder and return the files under /site of the image: ``files(folder, "Dockerfile.all")``."""

    def call(folder, dockerfile="Dockerfile"):
        docker("build", "--file", str(folder / dockerfile), "--tag", name("image"), str(folder))
        return sorted(docker("run", "--rm", name("image"), "find", "/site", "-type", "f").stdout.split())

    return call


@pytest.fixture
def refused(docker):
    """Start a build that has to fail, and return the last line of what it says."""

    def call(*args):
        failed = docker("build", *map(str, args), check=False)
        assert failed.returncode != 0
        return (failed.stdout + failed.stderr).strip().splitlines()[-1]

    return call


# What is sent.


def test_only_what_is_asked_for(sent, measure):
    """A Dockerfile that copies one small file is sent less than 1 kB of a folder that holds 20 MB."""
    measure("one", sent("Dockerfile.one"), "bytes", low=6, high=1000)


def test_all_is_sent_when_all_is_asked_for(sent, measure):
    """COPY . . without a .dockerignore is sent the whole folder."""
    measure("all", sent("Dockerfile.all"), "bytes", low=CLUTTER, high=1.01 * CLUTTER)


def test_what_is_left_out_is_not_sent(sent, measure):
    """With the .dockerignore, COPY . . is sent less than 1 kB."""
    measure("left-out", sent("Dockerfile"), "bytes", low=6, high=1000)


def test_nothing_is_sent_unasked(sent, copy):
    """A Dockerfile without COPY or ADD is sent nothing of the folder."""
    (copy / "Dockerfile.none").write_text("FROM busybox:1.37\nRUN true\n")

    assert sent("Dockerfile.none") is None


def test_second_time(sent, copy, measure):
    """The builder keeps what it was sent: after an edit of one file, it is sent at most 20 kB instead of 20 MB."""
    sent("Dockerfile.all")
    (copy / "app" / "hello.txt").write_text(f"{time.time_ns()}\n")

    measure("again", sent("Dockerfile.all"), "bytes", low=1, high=CLUTTER / 1000)


# What is left out.


def test_wanted(files, copy):
    """With the .dockerignore, the image has the two files that it is made of, and no log, no .env, no node_modules."""
    assert files(copy) == WANTED


def test_all_of_it(files, copy, only_docker):
    """Without one, COPY . . brings .env, a log, the Dockerfile, and the large file into the image."""
    only_docker("without BuildKit the client reads .dockerignore alone")
    (copy / "data.bin").write_text("not so large, to be quick\n")
    found = files(copy, "Dockerfile.all")

    assert {"/site/.env", "/site/app/.env", "/site/app/debug.log", "/site/Dockerfile", "/site/data.bin"} <= set(found)


def test_dockerfile_may_be_left_out(files, copy, only_docker):
    """A Dockerfile that its .dockerignore leaves out is read all the same, and is not in the image."""
    only_docker("without BuildKit the client reads .dockerignore alone")
    (copy / "Dockerfile.all.dockerignore").write_text("Dockerfile*\n.dockerignore\ndata.bin\n")
    found = files(copy, "Dockerfile.all")

    assert "/site/compose.yaml" in found
    assert not [file for file in found if "ocker" in file]


def test_ignored_edit(repeated, copy):
    """An edit of a file that .dockerignore leaves out repeats no COPY."""
    repeated()
    (copy / "app" / "debug.log").write_text(f"{time.time_ns()}\n")

    assert not repeated()


def test_other_edit(repeated, copy):
    """An edit of a file that .dockerignore doesn't leave out repeats COPY . ., such as of the source, or of a log."""
    for dockerfile, file in (("Dockerfile.all", "debug.log"), ("Dockerfile", "app/hello.txt")):
        repeated(dockerfile)
        (copy / file).write_text(f"{time.time_ns()}\n")

        assert repeated(dockerfile)


def test_new_time(repeated, copy):
    """A new modification time of every file in the folder, as a fresh checkout gives it, repeats no COPY."""
    repeated()
    for file in copy.rglob("*"):
        os.utime(file, (1, 1))

    assert not repeated()


# Patterns.


@pytest.fixture
def left_out(files, tmp_path):
    """Say of a few files whether the lines of a .dockerignore leave them out: ``left_out("*.log")``."""
    paths = ["a.log", "app/a.log", "app/deep/a.log", "node_modules/x", "app/node_modules/x"]

    def call(*lines):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text("x")
        (tmp_path / "Dockerfile").write_text("FROM busybox:1.37\nCOPY . /site\n")
        (tmp_path / ".dockerignore").write_text("\n".join(lines) + "\n")
        found = files(tmp_path)
        return {path: f"/site/{path}" not in found for path in paths}

    return call


def test_patterns(left_out, table):
    """A pattern of .dockerignore matches from the top of the context, and with **/ in front in subfolders too."""
    logs, packages = ["a.log", "app/a.log", "app/deep/a.log"], ["node_modules/x", "app/node_modules/x"]
    expected = {
        "*.log": logs[:1],
        "*/*.log": logs[1:2],
        "**/*.log": logs,
        "node_modules": packages[:1],
        "**/node_modules": packages,
    }
    seen = {pattern: left_out(pattern) for pattern in expected}
    table(
        "patterns",
        "grid",
        [
            {"row": f"`{pattern}`", "column": f"`{path}`", "cell": "out" if out else "sent"}
            for pattern, found in seen.items()
            for path, out in found.items()
        ],
    )

    assert {pattern: [path for path, out in found.items() if out] for pattern, found in seen.items()} == expected


def test_last_line(left_out):
    """Of the lines that fit a file the last one counts, so an exception stands below what it is an exception of."""
    assert not left_out("**/*.log", "!app/a.log")["app/a.log"]
    assert left_out("!app/a.log", "**/*.log")["app/a.log"]


def test_slip_through(files, copy, only_docker):
    """Below the top, logs, .env and node_modules slip through the patterns that have no **/ in front."""
    only_docker("without BuildKit the client reads .dockerignore alone")
    assert files(copy, "Dockerfile.anchored") == [
        "/site/.env",
        "/site/debug.log",
        "/site/hello.txt",
        "/site/node_modules/dependency/index.js",
    ]


def test_own_dockerignore(files, copy, only_docker):
    """Where there is a Dockerfile.all.dockerignore, Dockerfile.all goes by that file, and not by .dockerignore."""
    only_docker("without BuildKit the client reads .dockerignore alone")
    (copy / "Dockerfile.all.dockerignore").write_text("app\ndata.bin\n")
    found = files(copy, "Dockerfile.all")

    assert "/site/app/hello.txt" not in found
    assert "/site/debug.log" in found


# Out of reach.


def test_outside(refused, copy, only_docker):
    """COPY cannot leave the context: a file that lies beside it is not found."""
    only_docker("Podman says it in other words")
    message = refused("--file", copy / "Dockerfile.outside", copy / "app")

    # Docker 26 says now one, now the other.
    assert re.search(r'"/notes/note.txt": not found|lstat \S*notes: no such file or directory', message)


def test_dots_are_dropped(docker, copy, name, only_docker):
    """A ../ at the top of the context is dropped: COPY ../notes/note.txt takes the notes/note.txt inside of it."""
    only_docker("Podman's builder has its own way with ../")
    docker("build", "--file", str(copy / "Dockerfile.outside"), "--tag", name("image"), str(copy))

    assert docker("run", "--rm", name("image")).stdout == "a note\n"


def test_second_context(docker, copy, name, only_docker):
    """With --build-context, COPY --from takes a file from a second folder, outside of the context."""
    only_docker("without BuildKit the client has no --build-context")
    options = ["--build-context", f"notes={copy / 'notes'}", "--file", str(copy / "Dockerfile.named")]
    docker("build", *options, "--tag", name("image"), str(copy / "app"))

    assert docker("run", "--rm", name("image")).stdout == "a note\n"


def test_nameless(refused, copy, only_docker):
    """Without the option, the name of the second context is taken for that of an image."""
    only_docker("Podman says it in other words")

    assert "docker.io/library/notes:latest" in refused("--file", copy / "Dockerfile.named", copy / "app")


def test_ignored_file_is_not_found(refused, copy, only_docker):
    """COPY of a file that .dockerignore leaves out fails as if the file were not there."""
    only_docker("Podman says it in other words")
    assert '"/app/debug.log": not found' in refused("--file", copy / "Dockerfile.ignored", copy)


def test_link(refused, copy, only_docker):
    """A symbolic link that leads out of the context leads COPY to nothing."""
    only_docker("Podman says it in other words")
    (copy / "app" / "link").symlink_to("../notes/note.txt")
    (copy / "Dockerfile.link").write_text("FROM busybox:1.37\nCOPY link /note.txt\n")

    assert '"/link": not found' in refused("--file", copy / "Dockerfile.link", copy / "app")


def test_no_context(refused, copy, only_docker):
    """A build needs a folder, and a Dockerfile in it: the error message names which of the two is missing."""
    only_docker("Podman says it in other words")

    assert re.search(r"\bDockerfile: no such file or directory", refused(copy / "app"))
    assert re.search(r"/src\b.* not found", refused(copy / "src"))


def test_compose(docker, copy, prefix, only_docker):
    """Compose builds with the same .dockerignore, and gives a build a second context with additional_contexts."""
    only_docker("without BuildKit there is no second context")
    compose = ["compose", "--project-directory", str(copy), "--project-name", f"{prefix}-compose"]
    docker(*compose, "build", timeout=300)
    said = [docker(*compose, "run", "--rm", service).stdout for service in ("list", "note")]

    assert [sorted(said[0].split()), said[1]] == [WANTED, "a note\n"]
