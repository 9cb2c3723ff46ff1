"""Claims of the example node-multistage."""

from __future__ import annotations

import json
import re
import time

import pytest
import requests
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from drydock.fixtures import until

IMAGES = {
    "all packages copied": "Dockerfile.naive",
    "`npm prune`": "Dockerfile.prune",
    "a stage of its own": "Dockerfile",
}
#: What may be in an image, and where.
THINGS = {
    "`greeting`, a dependency": "node_modules/greeting",
    "`uncomment`, a devDependency": "node_modules/uncomment",
    "`dist`, what was built": "dist/server.js",
    "`src`, what it was built from": "src",
}


@pytest.fixture
def run(docker, build):
    """Run a shell line in a container of its own: ``run("id", dockerfile="Dockerfile.naive")``."""

    def call(line, dockerfile="Dockerfile"):
        return docker("run", "--rm", build(dockerfile), "sh", "-c", line, check=False)

    return call


@pytest.fixture
def ended(docker, build, name):
    """Start a container, stop it when it listens, and return its exit status, its log, and what was process 1."""

    def call(*command):
        docker("run", "--detach", "--stop-timeout=2", "--name", name("c"), build(), *command)
        until(lambda: "listening" in docker("logs", name("c")).stdout, "its start")
        first = docker("exec", name("c"), "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline").stdout.strip()
        docker("stop", name("c"))
        status = int(docker("inspect", "--format", "{{.State.ExitCode}}", name("c")).stdout)
        done = docker("logs", name("c"))
        return status, done.stdout + done.stderr, first

    return call


def became(said, instruction):
    """Return what a build with plain progress says became of each step with this instruction: CACHED or DONE."""
    steps = re.findall(rf"^(#\d+) \[.*\] {re.escape(instruction)}$", said, re.MULTILINE)
    return [end for step in steps for end in re.findall(rf"^{step} (CACHED|DONE)", said, re.MULTILINE)]


# What is shipped.


def test_answers(container, build):
    """The server answers through a port published on 127.0.0.1, as the user node."""
    web = container(build(), ports=[8080], wait=LogMessageWaitStrategy("listening"))

    assert requests.get(f"http://127.0.0.1:{web.get_exposed_port(8080)}/", timeout=9).text == "Hello, node.\n"


def test_user(docker, build, run):
    """USER 1000:1000 is the user node, which the image node:24-slim brings along."""
    assert docker("image", "inspect", "--format", "{{.Config.User}}", build()).stdout.strip() == "1000:1000"
    assert run("id -un; id -gn").stdout == "node\nnode\n"


def test_cannot_rewrite(run):
    """The user node can read the server and its packages, and can rewrite neither."""
    for path in ("dist/server.js", "node_modules/greeting/greeting.js"):
        assert run(f"test -s {path} && test -r {path} && ! test -w {path}").returncode == 0


def test_dev_dependency_stays_behind(run):
    """With a stage for npm ci --omit=dev the final image has the dependency and not the devDependency."""
    assert run("ls node_modules").stdout == "greeting\n"


def test_naive_ships_it(run):
    """Where node_modules is copied from the stage that builds, the devDependency is in the final image, too."""
    assert run("ls node_modules", dockerfile="Dockerfile.naive").stdout == "greeting\nuncomment\n"
    assert run("test -x node_modules/.bin/uncomment", dockerfile="Dockerfile.naive").returncode == 0


def test_what_is_in(run, table):
    """npm prune --omit=dev before the copy leaves the devDependency behind as well; the source is in none of them."""
    ask = "; ".join(f"test -e {path}; echo $?" for path in THINGS.values())
    rows = []
    for image, dockerfile in IMAGES.items():
        found = run(ask, dockerfile=dockerfile).stdout.split()
        cells = zip(THINGS, found, strict=True)
        rows += [{"row": thing, "column": image, "cell": {"0": "yes", "1": "no"}[cell]} for thing, cell in cells]
    table("in", "grid", rows)

    assert [row["cell"] for row in rows] == ["yes", "yes", "yes", "no", *["yes", "no", "yes", "no"] * 2]


def test_what_they_say(docker, build):
    """The three images say the same of themselves: user, port, folder, command and NODE_ENV=production."""
    said = []
    for dockerfile in IMAGES.values():
        [found] = json.loads(docker("image", "inspect", build(dockerfile)).stdout)
        said.append([found["Config"].get(key) for key in ("User", "ExposedPorts", "WorkingDir", "Cmd", "Env")])

    assert said[0] == said[1] == said[2]
    assert "NODE_ENV=production" in said[0][-1]


def test_modules(run):
    """All three images say in package.json that their files are modules."""
    for dockerfile in IMAGES.values():
        assert run("node -p 'require(\"./package.json\").type'", dockerfile=dockerfile).stdout == "module\n"


def test_copies_not_links(run):
    """With install-links npm copies a package from a folder into node_modules; no link leads out of it."""
    assert run("find node_modules -type l").stdout == ""
    assert run("test -s node_modules/greeting/greeting.js && ! test -e vendor").returncode == 0


# How it is built.


def test_without_network(docker, example, tmp_path, prefix):
    """The build's commands need no network: both packages lie beside the Dockerfile."""
    copy = example.copy_to(tmp_path)
    (copy / "vendor" / "greeting" / "fresh.txt").write_text(str(time.time_ns()))
    docker("build", "--network=none", "--tag", f"{prefix}:offline", str(copy), timeout=300)


def test_an_edit_installs_nothing(docker, build, example, tmp_path, prefix):
    """After an edit of the source the build runs again, and neither npm ci does."""
    build()
    copy = example.copy_to(tmp_path)
    with (copy / "src" / "server.js").open("a") as file:
        file.write(f"// edited at {time.time_ns()}\n")
    said = docker("build", "--progress=plain", "--tag", f"{prefix}:edited", str(copy), timeout=300).stderr

    assert became(said, "RUN npm run build") == ["DONE"]
    assert became(said, "RUN npm ci") == became(said, "RUN npm ci --omit=dev") == ["CACHED"]


def test_production_too_early(docker, folder):
    """NODE_ENV=production above npm ci leaves out the devDependencies, and the build ends with exit code 127."""
    failed = docker("build", "--file", str(folder / "Dockerfile.early"), str(folder), check=False)

    said = failed.stdout + failed.stderr

    assert failed.returncode != 0
    assert "RUN npm ci" in said  # it was run, and left out what is missing now
    assert "uncomment: not found" in said
    assert "127" in said


# How it stops.


def test_stops_when_asked(ended):
    """At docker stop the server, which is process 1, ends by itself, with exit status 0."""
    assert ended() == (0, "listening\nstopping\n", "node dist/server.js")


def test_without_an_answer(ended):
    """As process 1, node without an answer to SIGTERM goes on until it is killed: exit status 137."""
    status, _, first = ended("node", "--eval", "console.log('listening'); setInterval(() => {}, 1000)")

    assert first.startswith("node ")
    assert status == 137


def test_npm_start(docker, ended):
    """With npm start process 1 is npm: the server never hears of docker stop, and the exit status is not 0."""
    status, log, first = ended("npm", "start")

    assert first == "npm start"
    assert "stopping" not in log
    assert status != 0


# As a container and as a stack.


def test_healthy(docker, docker_services, docker_compose_project_name):
    """With Compose the server is healthy on a read-only filesystem without capabilities; its health check runs node."""
    port = docker_services.port_for("web", 8080)
    [found] = json.loads(docker("inspect", f"{docker_compose_project_name}-web-1").stdout)

    assert requests.get(f"http://127.0.0.1:{port}/", timeout=9).text == "Hello, node.\n"
    assert found["State"].get("Health", {}).get("Status") == "healthy"
    assert found["Config"]["Healthcheck"]["Test"][:2] == ["CMD", "node"]
    assert (found["HostConfig"]["ReadonlyRootfs"], found["HostConfig"]["CapDrop"]) == (True, ["ALL"])


def test_probe_fails(docker, build, name):
    """The probe of node ends with 1 where no server listens."""
    test = json.loads(docker("image", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", build()).stdout)

    assert docker("run", "--rm", "--name", name("c"), build(), *test[1:], check=False).returncode == 1
