"""Claims of the example layer-anatomy."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import socket
import subprocess
import tarfile
import time
import urllib.request

import pytest

from drydock import builds
from drydock.fixtures import until
from drydock.layers import rows as stacks

BASE = "python:3.13-slim"
#: The instructions that today's Dockerfile reference has, without MAINTAINER, which is deprecated.
INSTRUCTIONS = [
    *("FROM", "LABEL", "ARG", "ENV", "SHELL", "WORKDIR", "ADD", "COPY", "RUN", "EXPOSE", "VOLUME", "STOPSIGNAL"),
    *("HEALTHCHECK", "ONBUILD", "USER", "ENTRYPOINT", "CMD"),
]
MAKERS = {"WORKDIR", "ADD", "COPY", "RUN"}
#: Where the engine keeps what a setting says.
KEYS = {
    "LABEL": "Labels",
    "ENV": "Env",
    "SHELL": "Shell",
    "WORKDIR": "WorkingDir",
    "EXPOSE": "ExposedPorts",
    "VOLUME": "Volumes",
    "STOPSIGNAL": "StopSignal",
    "HEALTHCHECK": "Healthcheck",
    "ONBUILD": "OnBuild",
    "USER": "User",
    "ENTRYPOINT": "Entrypoint",
    "CMD": "Cmd",
}
#: What stands above a RUN, by instruction, and what it is changed to; `{}` is like no other's.
CHANGES = {
    "FROM": ("", ""),
    "LABEL": ("LABEL a=one", "LABEL a={}"),
    "ARG": ("ARG A=one", "ARG A={}"),
    "ENV": ("ENV A=one", "ENV A={}"),
    "SHELL": ('SHELL ["env", "A=one", "/bin/sh", "-c"]', 'SHELL ["env", "A={}", "/bin/sh", "-c"]'),
    "WORKDIR": ("WORKDIR /one", "WORKDIR /{}"),
    "ADD": ("ADD changed.txt /", "ADD changed.txt /"),
    "COPY": ("COPY changed.txt /", "COPY changed.txt /"),
    "RUN": ("RUN true one", "RUN true {}"),
    "EXPOSE": ("EXPOSE 1", "EXPOSE 2"),
    "VOLUME": ("VOLUME /one", "VOLUME /{}"),
    "STOPSIGNAL": ("STOPSIGNAL SIGINT", "STOPSIGNAL SIGQUIT"),
    "HEALTHCHECK": ("HEALTHCHECK CMD one", "HEALTHCHECK CMD {}"),
    "ONBUILD": ("ONBUILD RUN one", "ONBUILD RUN {}"),
    "USER": ("USER 10001:1", "USER 10001:{port}"),
    "ENTRYPOINT": ('ENTRYPOINT ["one"]', 'ENTRYPOINT ["{}"]'),
    "CMD": ('CMD ["one"]', 'CMD ["{}"]'),
    "a comment": ("# one", "# {}"),
}
REPEATING = {"FROM", "ARG", "ENV", "SHELL", "WORKDIR", "ADD", "COPY", "RUN", "USER"}
MOUNTS = {
    "cache": "/tmp/cache",
    "tmpfs": "/tmp/work",
    "secret": "/run/secrets/token",
    "bind": "/tmp/fruit",
    "ssh": "/run/buildkit",
}


@pytest.fixture(scope="module", autouse=True)
def _ready(engine, folder):
    """Pull the bases, which builds use without a name, and pack the archive, the same in each run to the byte."""
    for base in (BASE, "debian:trixie-slim"):
        engine.run("pull", "--quiet", base, timeout=300)
    same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    subprocess.run(["tar", "-czf", "fruit.tar.gz", *same, "fruit"], cwd=folder, check=True)


@pytest.fixture(scope="module")
def saved(engine, build, tmp_path_factory):
    """The image's archive, unpacked."""
    place = tmp_path_factory.mktemp("saved")
    engine.run("save", "--output", str(place / "image.tar"), build())
    subprocess.run(["tar", "-xf", "image.tar"], cwd=place, check=True)
    return place


@pytest.fixture
def written(docker, folder, name):
    """Build from a Dockerfile that is given as text, and return the image: ``written("FROM ...")``."""

    def call(text, *options):
        docker("build", *options, "--file", "-", "--tag", name("image"), str(folder), input=text)
        return name("image")

    return call


def settings_of(saved):
    """Return the image's settings as they are stored: with its history, and which of it made no layer."""
    [manifest] = json.loads((saved / "manifest.json").read_text())
    return json.loads((saved / manifest["Config"]).read_text())


def config(docker, image):
    """Return what the engine shows of an image's settings."""
    return json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image).stdout)


def layers(docker, image):
    """Return the IDs of the image's layers, the lowest first."""
    return json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).stdout)


def used(folder):
    """Return the instructions of the Dockerfile, in order: lines between the marks of a heredoc are none."""
    return re.findall(r"^([A-Z]{3,}) (?!FOLDER)", (folder / "Dockerfile").read_text(), re.MULTILINE)


def own_rows(engine, image):
    """Return the rows of the picture, with the shell that the Dockerfile sets left out."""
    found = stacks(engine, {"layer-anatomy": image}, BASE)
    for row in found:
        row["instruction"] = re.sub(r"^RUN .*?/bin/bash -euo pipefail -c ", "RUN ", row["instruction"])
    return found


# What each instruction makes.


def test_every_instruction(folder):
    """The Dockerfile has every instruction of the Dockerfile reference but MAINTAINER, which is deprecated."""
    assert sorted(set(used(folder))) == sorted(INSTRUCTIONS)


def test_layer_count(docker, build, folder, measure):
    """RUN, COPY, ADD and WORKDIR add one layer each to those of the base; no other instruction adds any."""
    instructions = used(folder)
    makers = [each for each in instructions if each in MAKERS]
    added = len(layers(docker, build())) - len(layers(docker, BASE))

    assert added == len(makers)
    measure("instructions", len(instructions), "count", low=19, high=19)
    measure("layers", added, "count", low=6, high=6)


def test_from_makes_none(docker, build):
    """FROM adds no layer: the image's lowest layers are exactly those of its base."""
    base = layers(docker, BASE)

    assert layers(docker, build())[: len(base)] == base


def test_history(engine, build, only_docker, folder, table):
    """The history has a row for each instruction except FROM and ONBUILD, and those of settings have 0 bytes."""
    only_docker("Podman's builder writes its history in another way")
    found = own_rows(engine, build())
    table("layers", "layers", found)
    own = [row for row in found if not row["base"]]

    assert [row["instruction"].split()[0] for row in own] == [
        each for each in used(folder) if each not in ("FROM", "ONBUILD")
    ]
    assert {row["instruction"].split()[0] for row in own if row["layer"]} == MAKERS
    assert not [row for row in own if not row["layer"] and row["bytes"]]


def test_settings(docker, build):
    """Each of twelve instructions, from LABEL to CMD, changes a key of its own in the image's settings."""
    mine, base = config(docker, build()), config(docker, BASE)

    assert [key for key in KEYS.values() if not mine.get(key) or mine[key] == base.get(key)] == []


def test_arg_is_kept_nowhere(docker, build):
    """An ARG is neither in the image's settings nor in its container's environment; an ENV is in both."""
    image = build()
    settings = config(docker, image)
    seen = docker("run", "--rm", "--entrypoint", "env", image).stdout

    assert "PACKER" not in json.dumps(settings)
    assert "PACKER" not in seen
    assert "PYTHONUNBUFFERED=1" in settings["Env"]
    assert "PYTHONUNBUFFERED=1" in seen


def test_arg_is_in_the_history(docker, build):
    """The value of a --build-arg can be read in the image's history."""
    image = build("Dockerfile", "--build-arg", "PACKER=hunter2")

    assert "hunter2" in docker("history", "--no-trunc", image).stdout


def test_label_finds(docker, build):
    """Images can be listed by a label, and one with another value is not among them."""
    image = docker("image", "inspect", "--format", "{{.Id}}", build()).stdout.strip()
    by_label = ["image", "ls", "--no-trunc", "--quiet", "--filter"]

    assert image in docker(*by_label, "label=site.drydock.season=summer").stdout.split()
    assert image not in docker(*by_label, "label=site.drydock.season=winter").stdout.split()


def test_label_is_inherited(docker, build, written):
    """An image has the labels of its base."""
    labels = config(docker, written(f"FROM {build()}\nUSER 10001\n"))["Labels"]
    base = config(docker, build())["Labels"]

    assert base["site.drydock.season"] == "summer"
    assert base.items() <= labels.items()


def test_workdir(docker, build):
    """WORKDIR creates the missing directory, and later relative paths and the container begin there."""
    done = docker("run", "--rm", "--entrypoint", "sh", build(), "-c", "pwd; stat -c %u .; cat sorted.txt")

    assert docker("run", "--rm", BASE, "test", "-e", "/srv/site", check=False).returncode == 1
    assert done.stdout.split() == ["/srv/site", "0", "banana", "apple"]


def test_saved(saved, docker, build, only_docker):
    """A saved image is an OCI layout: each file under blobs is named by the SHA-256 of its content."""
    only_docker("Podman saves an image in the older form, which is no OCI layout")
    blobs = [path for path in (saved / "blobs/sha256").iterdir() if path.is_file()]

    assert {"oci-layout", "index.json"} <= {path.name for path in saved.iterdir()}
    assert [path for path in blobs if hashlib.sha256(path.read_bytes()).hexdigest() != path.name] == []
    assert settings_of(saved)["rootfs"]["diff_ids"] == layers(docker, build())


# What a change repeats.


def stages(number, *, changed):
    """Return a Dockerfile with a stage for each of CHANGES: a line, and a RUN below it that never changes."""
    lines = []
    for index, (name, pair) in enumerate(CHANGES.items()):
        base = BASE if name == "FROM" and changed else "debian:trixie-slim"
        line = pair[changed].replace("{}", str(number)).replace("{port}", str(number % 60_000 + 2))
        unique = f"{index} {number}" if name == "FROM" else index
        lines += [f"FROM {base} AS s{index}", line, f"RUN date > /tmp/stamp; : {unique}"]
    ends = [f"COPY --from=s{index} /tmp/stamp /{index}" for index in range(len(CHANGES))]
    return "\n".join([*lines, "FROM scratch", *ends, ""])


@pytest.fixture
def repeated(docker, tmp_path, name, only_docker):
    """The instructions whose change repeated the RUN below them."""
    only_docker("Podman's builder says in another way what it repeats")
    number, found = time.time_ns(), []
    for changed in (False, True):
        (tmp_path / "changed.txt").write_text(str(number) if changed else "one")
        text = stages(number, changed=changed)
        done = docker("build", "--tag", name("image"), "--file", "-", str(tmp_path), input=text, timeout=300)
        found = [each for each in builds.steps(done.stdout + done.stderr) if each.step.startswith("RUN date")]
    ran = {int(each.at.split()[0].removeprefix("s")) for each in found if not each.cached}
    return {each for index, each in enumerate(CHANGES) if index in ran}


def test_what_repeats(repeated, engine, build, docker, table):
    """A change of FROM, ARG, ENV, SHELL, WORKDIR, ADD, COPY, RUN or USER repeats the RUN below it; no other does."""
    own = [row for row in own_rows(engine, build()) if not row["base"]]
    cells = []
    for each in INSTRUCTIONS:
        row = next((row for row in own if row["instruction"].split()[0] == each), {"layer": None, "bytes": 0})
        cells += grid_row(each, row, config(docker, build()), again=each in repeated)
    table("anatomy", "grid", cells)

    assert repeated == REPEATING


def grid_row(each, row, settings, *, again):
    """Return the cells of one instruction."""
    places = {"FROM": ["the base's layers and settings"], "ARG": ["the history only"]}.get(each, [])
    places += ["layers"] * bool(row["layer"])
    places += [f"settings: `{KEYS[each]}`"] if each in KEYS and settings.get(KEYS[each]) else []
    cells = {
        "makes a layer": "yes" if row["layer"] else "no",
        "bytes": str(row["bytes"]),
        "where it is kept": ", ".join(places),
        "a change repeats the `RUN` below": "yes" if again else "no",
    }
    return [{"row": f"`{each}`", "column": column, "cell": cell} for column, cell in cells.items()]


# ADD and COPY.


def test_add_unpacks(docker, build):
    """ADD unpacks an archive from the build context; COPY takes the same archive as it is."""
    done = docker("run", "--rm", "--entrypoint", "find", build(), "added", "copied", "-type", "f")

    assert sorted(done.stdout.split()) == ["added/fruit/a.txt", "added/fruit/b.txt", "copied/fruit.tar.gz"]


@pytest.fixture
def address(docker, build, name):
    """Where the image's own server hands out the archive."""
    docker("run", "--detach", "--publish", "127.0.0.1::8000", "--name", name("site"), build())
    port = docker("port", name("site"), "8000").stdout.split()[0]
    until(lambda: "Serving" in docker("logs", name("site")).stdout, "the start of the server")
    return f"http://{port}/copied/fruit.tar.gz"


def test_add_from_an_address(written, docker, address):
    """ADD leaves an archive from an address packed."""
    image = written(f"FROM debian:trixie-slim\nADD {address} /remote/\n", "--no-cache")

    assert docker("run", "--rm", image, "ls", "/remote").stdout == "fruit.tar.gz\n"


def test_add_unpack(docker, folder, name, address):
    """ADD --unpack=true unpacks an archive from an address, too, where the builder knows it."""
    options = ["--no-cache", "--build-arg", f"URL={address}", "--tag", name("image")]
    made = docker("build", *options, "--file", str(folder / "Dockerfile.remote"), str(folder), check=False)
    if "unknown flag: unpack" in made.stderr or "nsupported flag" in made.stderr:
        pytest.skip("its builder has no ADD --unpack")
    done = docker("run", "--rm", name("image"))

    assert done.stdout.split() == ["/default:", "fruit.tar.gz", "/unpacked:", "fruit"]


def test_add_checksum(docker, folder, address):
    """ADD --checksum refuses a file whose SHA-256 is another."""
    text = f"FROM debian:trixie-slim\nADD --checksum=sha256:{'0' * 64} {address} /remote/\n"
    done = docker("build", "--file", "-", str(folder), input=text, check=False)

    assert done.returncode != 0
    assert "sha256:" + "0" * 64 in done.stderr


def test_chmod_of_folders(written, docker):
    """COPY --chmod also sets the mode of directories that it creates: 444 lets root read the file, not user 10001."""
    image = written("FROM debian:trixie-slim\nCOPY --chmod=444 fruit/a.txt /made/by/copy/\nUSER 10001\n")

    as_root = ["run", "--rm", "--user", "0", image]

    assert docker(*as_root, "stat", "-c", "%a", "/made", "/made/by", "/made/by/copy").stdout == "444\n" * 3
    assert docker(*as_root, "cat", "/made/by/copy/a.txt").returncode == 0
    assert docker("run", "--rm", image, "cat", "/made/by/copy/a.txt", check=False).returncode == 1


# RUN: shells, heredocs, mounts.


def test_careless(docker, build):
    """With the usual shell, a failing command in a pipe or a heredoc fails no build: the last command counts."""
    assert docker("run", "--rm", build("Dockerfile.careless")).stdout == "went on\n"


def test_strict(docker, folder):
    """SHELL with bash -e ends a heredoc, and with -o pipefail a pipe, at the command that failed."""
    for target in ("script", "pipe"):
        done = docker(
            "build", "--target", target, "--file", str(folder / "Dockerfile.strict"), str(folder), check=False
        )
        assert done.returncode != 0
        assert "/no-such-file: No such file or directory" in done.stderr + done.stdout


def test_heredoc(docker, build):
    """A heredoc is filled in from ENV unless its word is in quotes, and its first line can name a program."""
    filled, literal, script = docker("run", "--rm", build("Dockerfile.heredoc")).stdout.splitlines()

    assert re.fullmatch(r"<p>Made with Python 3\.13\.\d+</p>", filled)
    assert literal == "<p>Made with Python $PYTHON_VERSION</p>"
    assert script == "written by Python"


@pytest.fixture
def token(tmp_path):
    """A secret that nobody else has."""
    (tmp_path / "token").write_text(f"token-{time.time_ns()}")
    return tmp_path / "token"


def unpacked(archive):
    """Return the content of each file of a saved image, that of compressed layers uncompressed."""
    with tarfile.open(archive) as saved:
        contents = [saved.extractfile(member).read() for member in saved if member.isfile()]
    return [gzip.decompress(one) if one.startswith(b"\x1f\x8b") else one for one in contents]


def test_secret_is_nowhere(docker, build, token, tmp_path, only_docker):
    """The value of a secret mount is in no layer and no setting of the saved image, though a RUN has read it."""
    only_docker("Podman is not handed build secrets by Docker's client")
    image = build("Dockerfile.mounts", "--no-cache", "--secret", f"id=token,src={token}", target="mounts")
    docker("save", "--output", str(tmp_path / "image.tar"), image)
    parts = unpacked(tmp_path / "image.tar")

    assert str(len(token.read_text())) in docker("run", "--rm", image).stdout
    assert [part for part in parts if b"token-size" in part]
    assert not [part for part in parts if token.read_bytes() in part]


def test_cache_mount_stays(docker, written, name):
    """A cache mount is there again for the next build that runs the step, but --no-cache empties it, too."""
    lines = []
    for options in ([], [], ["--no-cache"]):
        text = f"""FROM debian:trixie-slim
RUN --mount=type=cache,id={name("kept")},target=/kept echo {time.time_ns()} >> /kept/a && cp /kept/a /lines
"""
        image = written(text, *options)
        lines.append(len(docker("run", "--rm", image, "cat", "/lines").stdout.split()))

    assert lines == [1, 2, 1]


@pytest.fixture
def mounts(docker, example, tmp_path, name):
    """Build Dockerfile.mounts, all that it mounts being new, and return which kinds of mount ran: ``mounts()``."""
    copy = example.copy_to(tmp_path / "copy")

    def call():
        number = str(time.time_ns())
        for changed in ("fruit/a.txt", "token"):
            (copy / changed).write_text(number)
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(tmp_path / number))
            agent.listen()
            options = ["--secret", f"id=token,src={copy / 'token'}", "--ssh", f"default={tmp_path / number}"]
            options += ["--file", str(copy / "Dockerfile.mounts")]
            for_each = [[*options, "--target", each, "--tag", name(each), str(copy)] for each in ("mounts", "ssh")]
            ran = [step for args in for_each for step in builds.ran(docker("build", *args).stderr)]
        return {kind for kind in MOUNTS for step in ran if f"=type={kind}," in step}

    return call


def test_what_mounts_repeat(mounts, docker, name, only_docker, table):
    """None of the five kinds of mount leaves a file at its target; only a bind mount's new content repeats the RUN."""
    only_docker("Podman's builder says in another way what it repeats")
    ran = (mounts(), mounts())[1]
    left = {
        kind: docker("run", "--rm", name("ssh" if kind == "ssh" else "mounts"), "ls", path, check=False).stdout
        for kind, path in MOUNTS.items()
    }
    rows = [(kind, "something of it is in the image", bool(left[kind])) for kind in MOUNTS]
    rows += [(kind, "another content repeats the `RUN`", kind in ran) for kind in MOUNTS]
    cells = [{"row": f"`{kind}`", "column": what, "cell": "yes" if so else "no"} for kind, what, so in rows]
    table("mounts", "grid", cells)

    assert ran == {"bind"}
    assert not any(left.values())


def test_missing_secret(docker, build, folder, token, only_docker):
    """A required secret that is missing ends the build, but only if the step has no earlier result."""
    only_docker("Podman is not handed build secrets by Docker's client")
    options = ["--target", "mounts", "--file", str(folder / "Dockerfile.mounts"), str(folder)]
    build("Dockerfile.mounts", "--secret", f"id=token,src={token}", target="mounts")
    cached, fresh = (docker("build", *more, *options, check=False) for more in ([], ["--no-cache"]))

    assert cached.returncode == 0
    assert fresh.returncode != 0
    assert "token" in fresh.stderr + fresh.stdout


# What does not do what it seems to.


@pytest.fixture
def surprises(docker, build):
    """What the container of Dockerfile.surprises says, line by line."""
    return docker("run", "--rm", build("Dockerfile.surprises")).stdout.splitlines()


def test_arg_above_from(surprises):
    """An ARG above the first FROM is unknown to a RUN below it."""
    assert "BASE is []" in surprises


def test_env_on_one_line(surprises):
    """In ENV A=new B=$A, B gets the value that A had above that instruction."""
    assert "A is [new], B is [old]" in surprises


def test_run_is_a_shell_of_its_own(surprises):
    """What a RUN does with cd and export is gone in the next RUN."""
    assert "C is [] in /" in surprises


def test_user_and_files(surprises, only_docker):
    """Below USER 10001, what COPY brings still belongs to root; a folder that WORKDIR makes belongs to the user."""
    assert "/copied belongs to 0" in surprises
    only_docker("Podman's builder gives the folder to root")
    assert "/made belongs to 10001" in surprises


def test_healthcheck_none(docker, build, written):
    """An image inherits its base's health check, and HEALTHCHECK NONE removes it."""
    inherited = config(docker, written(f"FROM {build()}\nUSER 10001\n"))["Healthcheck"]
    none = config(docker, written(f"FROM {build()}\nHEALTHCHECK NONE\n"))["Healthcheck"]

    assert inherited == config(docker, build())["Healthcheck"]
    assert none == {"Test": ["NONE"]}


def test_shell_is_inherited(docker, build, written):
    """SHELL is inherited, and it is also what reads a CMD in shell form."""
    image = written(f"FROM {build()}\nENTRYPOINT []\nCMD echo hello\n")

    assert config(docker, image)["Cmd"] == ["/bin/bash", "-euo", "pipefail", "-c", "echo hello"]


def test_dockerignore(docker, folder):
    """A file that .dockerignore leaves out is not found by COPY, though it lies in the folder."""
    done = docker("build", "--file", "-", str(folder), input="FROM scratch\nCOPY README.md /\n", check=False)

    assert (folder / "README.md").exists()
    assert done.returncode != 0
    assert "README.md" in done.stderr + done.stdout


def test_dockerignore_is_anchored(docker, tmp_path, name):
    """The pattern *.log in .dockerignore leaves out the files of the folder itself; **/*.log those below it, too."""
    (tmp_path / "below").mkdir()
    for place in ("a.log", "below/b.log"):
        (tmp_path / place).write_text("")
    found = []
    for pattern in ("*.log", "**/*.log"):
        (tmp_path / ".dockerignore").write_text(f"{pattern}\n")
        text = "FROM debian:trixie-slim\nCOPY . /all\n"
        docker("build", "--file", "-", "--tag", name("image"), str(tmp_path), input=text)
        listed = docker("run", "--rm", name("image"), "find", "/all", "-name", "*.log")
        found.append(listed.stdout.split())

    assert found == [["/all/below/b.log"], []]


def test_escape_directive(written, docker):
    """With escape=` in the first line, a backtick continues a line, and a backslash is a character like any other."""
    image = written("# escape=`\nFROM debian:trixie-slim\nENV DIR=C:\\new`\n    OTHER=x\n")

    assert {"DIR=C:\\new", "OTHER=x"} <= set(config(docker, image)["Env"])


def test_directive_below_a_comment(docker, folder, name):
    """Below a comment the directive check=error=true has no effect: MAINTAINER builds, and sets the image's author."""
    text = "# Our image.\n" + (folder / "Dockerfile.maintainer").read_text()
    docker("build", "--file", "-", "--tag", name("image"), str(folder), input=text)

    assert docker("image", "inspect", "--format", "{{.Author}}", name("image")).stdout == "somebody@example.com\n"


# The rest.


def test_onbuild(docker, build):
    """ONBUILD runs in the build of the next image, as the user of the first, and not in the one after."""
    child = build("Dockerfile.child", "--build-arg", f"PARENT={build()}")
    grandchild = build("Dockerfile.child", "--build-arg", f"PARENT={child}")

    assert docker("run", "--rm", child).stdout == "on an image packed by nobody\n"
    assert docker("run", "--rm", "--entrypoint", "stat", child, "-c", "%u", "/tmp/child.txt").stdout == "10001\n"
    assert not config(docker, child).get("OnBuild")
    assert layers(docker, grandchild) == layers(docker, child)


def test_serves_and_stops(docker_services, docker, docker_compose_project_name, folder):
    """The server passes its health check and answers, and STOPSIGNAL ends it in good order, with exit status 0."""
    port = docker_services.port_for("site", 8000)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        assert answer.status == 200
    names = ["--project-name", docker_compose_project_name, "--file", str(folder / "compose.yaml")]
    docker("compose", *names, "stop", "--timeout", "10")
    listed = json.loads(docker("compose", *names, "ps", "--all", "--format", "json", "site").stdout)

    assert listed["ExitCode"] == 0


def test_check_directive(docker, folder):
    """With check=error=true in the first line, a warning of the builder ends the build: MAINTAINER is one."""
    if "--check" not in docker("build", "--help").stdout:
        pytest.skip("its builder is older than build checks")
    done = docker("build", "--file", str(folder / "Dockerfile.maintainer"), str(folder), check=False)

    assert done.returncode != 0
    assert "lint violation found for rules: MaintainerDeprecated" in done.stderr
