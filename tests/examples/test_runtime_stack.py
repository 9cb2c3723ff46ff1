"""Claims of the example runtime-stack: who calls whom, from docker to the process in the container."""

import json
import re
import subprocess
from dataclasses import dataclass

import pytest

from drydock.fixtures import until

SHIM = "containerd-shim"
STATE = "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby"
CTR = ("ctr", "--address", "/run/docker/containerd/containerd.sock", "--namespace", "moby")


@pytest.fixture(scope="module")
def compose(folder, prefix) -> list[str]:
    """The beginning of a command of Compose."""
    return ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stack"]


@pytest.fixture(scope="module")
def on(docker, compose, prefix, only_docker):
    """Start the machine, and give it a command: ``on("docker", "version")``."""
    only_docker("the machine runs Docker's daemon in a privileged container of Docker's")
    docker(*compose, "up", "--detach", "--build", "--wait", "--wait-timeout", "120", "machine", timeout=600)

    def call(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return docker("exec", f"{prefix}-stack-machine-1", *command, check=check)

    yield call
    docker(*compose, "down", "--volumes", "--timeout", "0", check=False)


@pytest.fixture(scope="module")
def app(docker, compose, folder, prefix, on) -> str:
    """Bring the image to the machine, and return its name there."""
    docker(*compose, "build", "app", timeout=300)
    docker("save", "--output", str(folder / "app.tar"), f"{prefix}-stack-app")
    on("docker", "load", "--input", "/example/app.tar")
    on("docker", "tag", f"{prefix}-stack-app", "runtime-stack-app")
    return "runtime-stack-app"


@dataclass
class Process:
    """A process of the machine."""

    id: int
    parent: int
    name: str
    line: str


@pytest.fixture(scope="module")
def processes(on):
    """Return the processes of the machine, by number."""

    def call() -> dict[int, Process]:
        lines = on("ps", "-e", "-ww", "-o", "pid=,ppid=,comm=,args=").stdout.splitlines()
        split = [line.split(None, 3) for line in lines]
        return {int(pid): Process(int(pid), int(ppid), comm, args) for pid, ppid, comm, args in split}

    return call


def ancestors(found: dict[int, Process], process: int) -> list[str]:
    """Return the names of those who started a process, the nearest first, up to process 1."""
    names = []
    while (process := found[process].parent) in found:
        names.append(found[process].name)
    return names


@pytest.fixture(scope="module")
def running(on, app):
    """Start a container on the machine, and return what the daemon says of it."""
    on("docker", "run", "--detach", "--init", "--name", "app", app)
    return json.loads(on("docker", "inspect", "app").stdout)[0]


@pytest.fixture(scope="module")
def bundle(on, running):
    """Make an OCI bundle of the container's files, and of the settings that runc proposes."""
    script = """mkdir -p /bundle/rootfs && cd /bundle && docker export app | tar -x -C rootfs
        runc spec && jq -f /example/by-hand.jq config.json > new && mv new config.json"""
    on("sh", "-ec", script)
    return "/bundle"


@pytest.fixture(scope="module")
def layout(on, app):
    """Unpack what docker save writes, and return its files with their digests."""
    on("sh", "-ec", f"mkdir /layout && docker save {app} | tar -x -C /layout")
    lines = on("sh", "-c", "cd /layout/blobs/sha256 && sha256sum *").stdout.splitlines()
    return dict(reversed(line.split()) for line in lines)


@pytest.fixture(scope="module")
def podman(on, app):
    """Run the same image with Podman, and return what it says of the container."""
    on("sh", "-ec", f"docker save {app} | podman load --quiet")
    on("podman", "run", "--detach", "--init", "--name", "app", f"docker.io/library/{app}")
    return json.loads(on("podman", "inspect", "app").stdout)[0]


def test_asked_for(docker, compose):
    """The app is in a profile: docker compose up starts the machine alone, for the app is to run on that."""
    assert docker(*compose, "config", "--services").stdout.split() == ["machine"]


def test_machine_is_waited_for(docker, on, prefix):
    """The machine has a health check, so that docker compose up --wait ends when its daemon answers."""
    state = docker("inspect", "--format", "{{.State.Health.Status}}", f"{prefix}-stack-machine-1").stdout

    assert state == "healthy\n"


# Who calls whom.


def test_tree(running, processes):
    """A container's process is the child of a shim, and the shim is the child neither of dockerd nor of containerd."""
    found = processes()
    init = running["State"]["Pid"]

    assert found[init].name == "docker-init"
    assert ancestors(found, init)[0] == SHIM
    assert not {"dockerd", "containerd", "runc"} & set(ancestors(found, init))


def test_docker_is_gone(running, processes):
    """When docker run -d has returned, the client has ended, and so has runc: neither is needed to keep a container."""
    until(lambda: not {"docker", "runc"} & {each.name for each in processes().values()}, "the end of both")


def test_daemon_starts_containerd(running, processes):
    """A dockerd that finds no containerd on the machine starts one of its own."""
    found = processes()
    containerd = next(process for process in found.values() if process.name == "containerd")

    assert found[containerd.parent].name == "dockerd"


def test_one_shim_each(on, app, running, processes):
    """Each container has a shim of its own."""
    on("docker", "run", "--detach", "--init", "--name", "second", app)
    second = json.loads(on("docker", "inspect", "second").stdout)[0]
    found = processes()
    shims = [found[found[each["State"]["Pid"]].parent] for each in (running, second)]
    on("docker", "rm", "--force", "second")

    assert shims[0].id != shims[1].id
    assert running["Id"] in shims[0].line
    assert second["Id"] in shims[1].line


def test_containerd_knows_it(on, running):
    """containerd lists the same container, under the same ID, in a namespace called moby."""
    assert running["Id"] in on(*CTR, "containers", "list", "--quiet").stdout.split()


def test_runc_knows_it(on, running):
    """runc lists the same container, under the same ID, with the number of its first process."""
    listed = json.loads(on("runc", "--root", "/run/docker/runtime-runc/moby", "list", "--format", "json").stdout)

    assert {each["id"]: each["pid"] for each in listed}[running["Id"]] == running["State"]["Pid"]


def test_bundle_of_docker(on, running):
    """Docker gives runc an OCI bundle: a config.json with the command, the user, and five or more namespaces."""
    config = json.loads(on("cat", f"{STATE}/{running['Id']}/config.json").stdout)
    spaces = {each["type"] for each in config["linux"]["namespaces"]}

    assert config["ociVersion"]
    assert config["process"]["args"][-2:] == ["sleep", "infinity"]
    assert config["process"]["user"]["uid"] == 10001
    assert {"mount", "network", "uts", "pid", "ipc"} <= spaces


def test_another_runtime(on, app):
    """Below the same Docker, another OCI runtime can start the container: crun in the place of runc."""
    on("docker", "run", "--detach", "--init", "--name", "other", "--runtime", "crun", app)
    found = json.loads(on("docker", "inspect", "other").stdout)[0]
    listed = on("runc", "--root", "/run/docker/runtime-runc/moby", "list", "--quiet").stdout
    by_crun = on("sh", "-c", "find /run/docker /run/crun -name status 2>/dev/null", check=False).stdout
    default = on("docker", "info", "--format", "{{.DefaultRuntime}}").stdout.strip()
    on("docker", "rm", "--force", "other")

    assert default == "runc"
    assert found["HostConfig"]["Runtime"] == "crun"
    assert found["State"]["Running"]
    assert found["Id"] in by_crun or found["Id"] in listed


def test_build_step_has_no_shim(docker, compose, app, on, processes):
    """A step of a build is started by runc as a child of dockerd, in which BuildKit is: it has no shim."""
    build = ["docker", "build", "--no-cache", "--file", "/example/Dockerfile.slow", "/example"]
    docker(*compose, "exec", "--detach", "machine", *build)

    def ask():
        found = processes()
        steps = [process.id for process in found.values() if process.line == "sleep 10"]
        return [ancestors(found, step) for step in steps if found[step].parent in found]

    found = until(ask, "the step of the build", 60)
    on("pkill", "-KILL", "-f", "docker-buildx buildx build", check=False)

    assert found[0][:2] == ["runc", "dockerd"]


def test_survives_the_daemon(on, running, processes):
    """With live-restore a container runs on while dockerd is killed, and belongs to the next one: the same process."""
    daemon = next(process.id for process in processes().values() if process.name == "dockerd")
    on("pkill", "-KILL", "-x", "dockerd")
    alone = processes()
    until(lambda: on("docker", "version", check=False).returncode == 0, "the next daemon", 60)
    after = json.loads(on("docker", "inspect", "app").stdout)[0]

    assert daemon not in alone
    assert alone[running["State"]["Pid"]].name == "docker-init"
    assert after["State"]["Running"]
    assert after["State"]["Pid"] == running["State"]["Pid"]


def test_what_the_daemon_keeps(on, running):
    """The daemon keeps images, containers, local volumes and a build cache."""
    lines = on("docker", "system", "df", "--format", "json").stdout.splitlines()

    assert [json.loads(line)["Type"] for line in lines] == ["Images", "Containers", "Local Volumes", "Build Cache"]


def test_versions_of_the_parts(on, running):
    """docker version names the parts of the server: the engine, containerd, runc and the init."""
    parts = json.loads(on("docker", "version", "--format", "{{json .Server.Components}}").stdout)

    assert [part["Name"] for part in parts] == ["Engine", "containerd", "runc", "docker-init"]


# The socket.


def ask(on, path: str, method: str = "GET") -> subprocess.CompletedProcess[str]:
    """Ask the daemon without its client."""
    socket = ("--unix-socket", "/var/run/docker.sock")
    return on("curl", "--silent", "--show-error", "--fail", "--request", method, *socket, f"http://docker{path}")


def test_socket_answers(on, running):
    """What docker shows comes from an API over HTTP, which curl can ask at the same socket."""
    listed = json.loads(ask(on, "/containers/json").stdout)
    version = json.loads(ask(on, "/version").stdout)

    assert [each["Names"] for each in listed if each["Id"] == running["Id"]] == [["/app"]]
    assert version["Version"] == on("docker", "version", "--format", "{{.Server.Version}}").stdout.strip()


def test_socket_obeys(on, app):
    """Whoever may write to the socket is obeyed without a password: curl creates and starts a container."""
    body = json.dumps({"Image": app, "HostConfig": {"Init": True}})
    socket = ("--unix-socket", "/var/run/docker.sock", "--header", "Content-Type: application/json")
    made = on("curl", "-s", *socket, "--data", body, "http://docker/containers/create?name=curled").stdout
    ask(on, "/containers/curled/start", "POST")
    state = on("docker", "inspect", "--format", "{{.State.Status}}", "curled").stdout.strip()
    on("docker", "rm", "--force", "curled")

    assert len(json.loads(made)["Id"]) == 64
    assert state == "running"


# OCI: images.


def test_saved_as_oci_layout(on, layout):
    """What docker save writes is an OCI image layout, in which each blob is named after the digest of its content."""
    assert json.loads(on("cat", "/layout/oci-layout").stdout) == {"imageLayoutVersion": "1.0.0"}
    assert layout
    assert all(name == digest for name, digest in layout.items())


def test_layout_leads_to_the_image(on, layout):
    """The layout's index leads to a manifest, and the manifest to the settings and the layers of the image."""
    index = json.loads(on("cat", "/layout/index.json").stdout)
    manifest = json.loads(on("cat", f"/layout/blobs/{index['manifests'][0]['digest'].replace(':', '/')}").stdout)
    config = json.loads(on("cat", f"/layout/blobs/{manifest['config']['digest'].replace(':', '/')}").stdout)

    assert config["config"]["Cmd"] == ["sleep", "infinity"]
    assert config["config"]["User"] == "10001:10001"
    assert {each["digest"].removeprefix("sha256:") for each in manifest["layers"]} <= set(layout)


# OCI: runtimes.


def test_by_hand(on, bundle):
    """A folder with files and a config.json is enough for runc to run a container from it."""
    assert on("runc", "run", "--bundle", bundle, "by-hand").stdout == "process 1 of by-hand, user 10001\n"


def test_by_another_hand(on, bundle):
    """The same folder is enough for crun, another OCI runtime."""
    assert on("crun", "run", "--bundle", bundle, "by-hand").stdout == "process 1 of by-hand, user 10001\n"


def test_docker_does_not_know(on, bundle, processes):
    """A container that runc was told to start by hand is unknown to Docker."""
    on(
        "sh",
        "-ec",
        f"""cd {bundle} && mkdir other && cp -r rootfs other/
        jq '.process.args = ["sleep", "4711"]' config.json > other/config.json
        runc run --detach --bundle other by-hand </dev/null >/dev/null 2>&1""",
    )
    listed = on("runc", "list", "--quiet").stdout.split()
    known = on("docker", "ps", "--all", "--format", "{{.Names}}").stdout
    alive = [process for process in processes().values() if process.line == "sleep 4711"]
    on("runc", "delete", "--force", "by-hand")

    assert listed == ["by-hand"]
    assert len(alive) == 1
    assert "by-hand" not in known


# Podman.


def test_podman_same_image(on, app, podman):
    """Podman runs the same image: its settings have the same digest as in Docker."""
    docker_id = on("docker", "image", "inspect", "--format", "{{.Id}}", app).stdout.strip()

    assert docker_id == f"sha256:{podman['Image']}"


def test_podman_has_no_daemon(podman, processes):
    """With Podman no daemon stays: a container's process is the child of conmon, which plays the shim's part."""
    found = processes()
    above = ancestors(found, podman["State"]["Pid"])

    assert above[0] == "conmon"
    assert not [process for process in found.values() if process.name == "podman"]


def test_podman_uses_crun(podman):
    """Below Podman an OCI runtime starts the container as well, on Debian crun."""
    assert podman["OCIRuntime"] == "crun"


def test_who_is_who(running, podman, processes, on, table):
    """Docker and Podman are built alike: a client, something that stays with each container, and an OCI runtime."""
    found = processes()
    docker_above = ancestors(found, running["State"]["Pid"])[0]
    podman_above = ancestors(found, podman["State"]["Pid"])[0]
    daemons = [process.name for process in found.values() if process.name in ("dockerd", "containerd")]
    default = on("docker", "info", "--format", "{{.DefaultRuntime}}").stdout.strip()
    rows = {
        "you type": ["`docker`", "`podman`"],
        "stays for all containers": [" and ".join(f"`{name}`" for name in sorted(daemons, reverse=True)), "nothing"],
        "stays with each container": [f"`{docker_above}`", f"`{podman_above}`"],
        "starts the process, and ends": [f"`{default}`", f"`{podman['OCIRuntime']}`"],
    }
    cells = [
        {"row": row, "column": column, "cell": cell}
        for row, pair in rows.items()
        for column, cell in zip(("Docker", "Podman"), pair, strict=True)
    ]
    table("parts", "grid", cells)

    assert re.match(SHIM, docker_above)
    assert podman_above == "conmon"
    assert sorted(daemons) == ["containerd", "dockerd"]
