"""Claims of the example debug-toolbox."""

from __future__ import annotations

import io
import json
import tarfile
import urllib.error
import urllib.request

import pytest

from drydock.fixtures import until

WELCOME = "welcome aboard\n"
FETCH = ["wget", "-q", "-O", "-", "http://127.0.0.1:8080"]
#: A shell line that says of each thing whether the toolbox has it.
LOOK = """
look() { "$@" > /dev/null 2>&1 && echo yes || echo no; }
look sh -c 'ps | grep -q " /app$"'
look wget -q -O - http://127.0.0.1:8080
look ls /proc/1/root/app
"""


@pytest.fixture
def app(docker, build, name):
    """Start the service and wait until it has said so: ``app("--memory", "64m")``."""

    def call(*options):
        docker("run", "--detach", "--name", name("app"), *options, build(timeout=600))
        until(lambda: "open for visitors" in docker("logs", name("app")).stderr, "the service")
        return name("app")

    return call


@pytest.fixture
def toolbox(docker):
    """Run a command in a second container: ``toolbox("--pid", "container:x", command=["ps"])``."""

    def call(*options, command, check=True):
        return docker("run", "--rm", *options, "busybox:1.37", *command, check=check)

    return call


def visit(toolbox, container):
    """Visit the service from a container in its network, when it answers."""
    ask = ["--network", f"container:{container}"]
    until(lambda: toolbox(*ask, command=FETCH, check=False).stdout == WELCOME, "an answer from inside")


def of(docker, thing, form):
    """Return what docker inspect says of a container or an image."""
    return docker("inspect", "--format", form, thing).stdout.strip()


# The mistake.


def test_no_answer(docker, app, toolbox, folder):
    """The service runs and answers on its own 127.0.0.1, while its published port gives no answer."""
    container = app("--env-file", str(folder / "deployed.env"), "--publish", "127.0.0.1::8080")
    visit(toolbox, container)

    assert of(docker, container, "{{.State.Status}}") == "running"
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        fetch(docker, container)


def test_mended(docker, app):
    """Without that setting the service listens on all of its addresses, and the published port answers."""
    container = app("--publish", "127.0.0.1::8080")

    assert until(lambda: try_fetch(docker, container), "an answer") == WELCOME


def fetch(docker, container):
    """Ask the service from outside, by its published port."""
    place = docker("port", container, "8080").stdout.split()[0]
    with urllib.request.urlopen(f"http://{place}", timeout=5) as answer:
        return answer.read().decode()


def try_fetch(docker, container):
    """Ask from outside, and return nothing when there is no answer."""
    try:
        return fetch(docker, container)
    except OSError:
        return ""


# The toolbox.


def test_no_shell(docker, app):
    """docker exec starts a program that is in the container, so without a shell in there it starts none."""
    done = docker("exec", app(), "sh", check=False)

    assert done.returncode != 0
    assert 'exec: "sh": executable file not found in $PATH' in done.stdout + done.stderr


def test_process_list(app, toolbox):
    """In the pid namespace of another container ps shows that one's process 1 and the toolbox's own processes."""
    container = app()
    lines = toolbox("--pid", f"container:{container}", command=["ps"]).stdout.splitlines()[1:]
    seen = {line.split()[0]: line.split()[-1] for line in lines}

    assert seen.pop("1") == "/app"
    assert list(seen.values()) == ["ps"]


def test_listening_ports(app, toolbox, folder):
    """In the network namespace of another container netstat shows at which address that one listens."""
    container = app("--env-file", str(folder / "deployed.env"))
    netstat = ["--network", f"container:{container}"]
    listening = until(lambda: ports(toolbox(*netstat, command=["netstat", "-tln"]).stdout), "a port")

    assert listening == ["127.0.0.1:8080"]


def ports(text):
    """Return the local addresses that netstat lists."""
    return [line.split()[3] for line in text.splitlines() if "LISTEN" in line.split()]


def test_what_it_sees(app, toolbox, table):
    """--pid opens the processes, --network the network; both with the app's user or SYS_PTRACE open the files too."""
    container = app()
    visit(toolbox, container)
    pid, network, user = ["--pid", f"container:{container}"], ["--network", f"container:{container}"], "65532:65532"
    ways = {
        "no flag": [],
        "`--pid`": pid,
        "`--network`": network,
        "both, as root": [*pid, *network],
        "both, as the app's user": [*pid, *network, "--user", user],
        "both, as root with `SYS_PTRACE`": [*pid, *network, "--cap-add", "SYS_PTRACE"],
    }
    columns = ["its processes", "its `127.0.0.1`", "its files"]
    seen = {way: toolbox(*options, command=["sh", "-c", LOOK]).stdout.split() for way, options in ways.items()}
    rows = [
        {"row": way, "column": column, "cell": cell}
        for way, cells in seen.items()
        for column, cell in zip(columns, cells, strict=True)
    ]
    table("sees", "grid", rows)

    assert [" ".join(cells) for cells in seen.values()] == [
        "no no no",
        "yes no no",
        "no yes no",
        "yes yes no",
        "yes yes yes",
        "yes yes yes",
    ]


def test_files_by_process(app, toolbox):
    """Another container's files are below /proc/1/root: for its user, not for a root without SYS_PTRACE."""
    container = app()
    visit(toolbox, container)
    look = ["ls", "/proc/1/root/state"]
    refused = toolbox("--pid", f"container:{container}", command=look, check=False)

    assert "Permission denied" in refused.stderr
    assert toolbox("--pid", f"container:{container}", "--user", "65532:65532", command=look).stdout == "visits\n"


def test_environment_by_process(app, toolbox):
    """The environment that a program was started with is in /proc/1/environ, for its user to read."""
    container = app("--env", "GREETING=ahoy")
    read = ["cat", "/proc/1/environ"]

    found = toolbox("--pid", f"container:{container}", "--user", "65532:65532", command=read).stdout
    assert "GREETING=ahoy" in found.split("\0")


def test_leaves_no_trace(docker, app, toolbox):
    """The toolbox has files of its own: after it has written some, the other container is unchanged, and still runs."""
    container = app()
    before = docker("diff", container).stdout
    both = ["--pid", f"container:{container}", "--network", f"container:{container}"]
    toolbox(*both, command=["sh", "-c", "echo mess > /tmp/mess; echo mess > /mess"])

    assert docker("diff", container).stdout == before
    assert of(docker, container, "{{.State.Status}}") == "running"


# From outside.


def test_diff(docker, app, toolbox):
    """docker diff lists what the program has written, and needs nothing in the container."""
    container = app()
    visit(toolbox, container)

    assert docker("diff", container).stdout.split("\n")[:2] == ["C /state", "A /state/visits"]


def test_cp_both_ways(docker, app, tmp_path):
    """docker cp brings a file into a container without a shell, and out again."""
    container = app()
    (tmp_path / "note").write_text("a note\n")
    docker("cp", str(tmp_path / "note"), f"{container}:/state/note")
    docker("cp", f"{container}:/state/note", str(tmp_path / "back"))

    assert (tmp_path / "back").read_text() == "a note\n"


def test_top(docker, app):
    """docker top lists a container's processes by their numbers on the host, where the program is not process 1."""
    container = app()
    heading, *lines = docker("top", container, "-o", "pid,comm").stdout.splitlines()

    assert heading.split() == ["PID", "COMMAND"]
    assert [line.split() for line in lines] == [[of(docker, container, "{{.State.Pid}}"), "app"]]
    assert lines[0].split()[0] != "1"


def test_stats(docker, app):
    """docker stats shows the memory that is used, next to the limit."""
    used, limit = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", app("--memory", "64m")).stdout.split("/")

    assert limit.strip() in ("64MiB", "67.11MB")
    assert used.strip()[0].isdigit()


def test_events(docker, app):
    """docker events tells afterwards what was done to a container, in order, and with which exit code it ended."""
    container = app()
    docker("kill", container)
    docker("wait", container)
    form = "{{.Action}} {{.Actor.Attributes.exitCode}}"
    search = ["events", "--since", "10m", "--until", "0s", "--filter", f"container={container}", "--format", form]
    wanted = ["create", "start", "kill", "die"]
    found = until(lambda: (seen := docker(*search).stdout.splitlines()) and "die 137" in seen and seen, "its end")

    assert [line.split()[0] for line in found if line.split()[0] in wanted] == wanted


# After its end.


@pytest.fixture
def ended(docker, build, name):
    """Start the service with an address that it cannot use, and return the container, which has ended."""
    docker("run", "--name", name("ended"), "--env", "LISTEN=8080", build(timeout=600), check=False)
    return name("ended")


def test_ended_is_not_entered(docker, ended):
    """docker exec needs a container that runs."""
    done = docker("exec", ended, "/app", check=False)

    assert done.returncode != 0
    assert "not running" in done.stderr


def test_ended_tells(docker, ended, tmp_path):
    """A container that has ended still has its log, its exit code and its files."""
    docker("cp", f"{ended}:/app", str(tmp_path / "app"))

    assert "address 8080: missing port in address" in docker("logs", ended).stderr
    assert of(docker, ended, "{{.State.Status}} {{.State.ExitCode}}") == "exited 1"
    assert (tmp_path / "app").stat().st_size > 0


# A copy of all its files.


@pytest.fixture
def exported(docker, app, tmp_path):
    """The files of a running container, in a tar."""
    docker("export", "--output", str(tmp_path / "files.tar"), app())
    return tmp_path / "files.tar"


def test_export(exported):
    """docker export gives the files of a container, here the program and its /state, and no /bin, /sbin, or /usr."""
    with tarfile.open(fileobj=io.BytesIO(exported.read_bytes())) as files:
        names = {each.name.strip("/") for each in files}

    assert {"app", "state"} <= names
    assert not {name for name in names if name.split("/")[0] in ("bin", "usr", "sbin")}


def test_import_loses_settings(docker, build, exported, name):
    """An image made with docker import has the files, and no CMD, ENV or USER: those were settings of the image."""
    docker("import", str(exported), name("imported"))
    settings = json.loads(of(docker, name("imported"), "{{json .Config}}"))

    assert [settings.get(key) or None for key in ("Cmd", "Env", "User")] == [None, None, None]
    assert of(docker, build(timeout=600), "{{json .Config.Cmd}}") == '["/app"]'


def test_import_does_not_start(docker, exported, name):
    """Such an image does not start by itself: no command specified."""
    docker("import", str(exported), name("imported"))
    done = docker("run", "--rm", name("imported"), check=False)

    assert done.returncode == 125
    assert "no command specified" in done.stderr


def test_import_change(docker, exported, name):
    """docker import --change puts a setting back."""
    docker("import", "--change", 'CMD ["/app"]', "--change", "ENV LISTEN=:8080", str(exported), name("imported"))

    assert of(docker, name("imported"), "{{json .Config.Cmd}}") == '["/app"]'
    assert "LISTEN=:8080" in json.loads(of(docker, name("imported"), "{{json .Config.Env}}"))


def test_commit_keeps_settings(docker, app, name):
    """An image made with docker commit keeps the CMD and the USER."""
    docker("commit", app(), name("committed"))

    assert of(docker, name("committed"), "{{json .Config.Cmd}} {{.Config.User}}") == '["/app"] 65532:65532'


# Compose.


def test_compose_toolbox(docker, folder, prefix):
    """In Compose a service with a profile is left out by up, and run puts it into the app's namespaces: a toolbox."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stack"]
    docker(*compose, "up", "--detach", "--build", timeout=600)
    made = docker(*compose, "ps", "--all", "--services").stdout.split()
    limit = of(docker, f"{prefix}-stack-app-1", "{{.HostConfig.Memory}}")
    netstat = [*compose, "run", "--rm", "toolbox", "netstat", "-tln"]
    listening = until(lambda: "127.0.0.1:8080" in (seen := ports(docker(*netstat).stdout)) and seen, "the port")
    files = docker(*compose, "run", "--rm", "toolbox", "ls", "/proc/1/root").stdout.split()
    docker(*compose, "down", "--timeout", "0")

    assert made == ["app"]
    assert limit == str(64 * 2**20)
    # The other one is Docker's name server, which each container has on a network of one's own.
    assert [each for each in listening if not each.startswith("127.0.0.11:")] == ["127.0.0.1:8080"]
    assert "app" in files
