"""Claims of the example hardened-runtime."""

from __future__ import annotations

import json
import urllib.request

import pytest

from drydock.fixtures import until

#: What the engine leaves to a container's root unless it is told otherwise.
DEFAULT = """audit_write chown dac_override fowner fsetid kill mknod net_bind_service net_raw setfcap setgid setpcap
setuid sys_chroot"""
#: The flags, by what the page calls them.
FLAGS = {
    "root, no flag": ("--user", "0"),
    "user 10001": (),
    "root, `--cap-drop ALL`": ("--user", "0", "--cap-drop", "ALL"),
    "user 10001, `no-new-privileges`": ("--security-opt", "no-new-privileges"),
    "root, `--read-only`": ("--user", "0", "--read-only"),
    "root, `seccomp=unconfined`": ("--user", "0", "--security-opt", "seccomp=unconfined"),
    "root, `--privileged`": ("--user", "0", "--privileged"),
}
#: A system call that the default filter refuses, made by a program that needs no privilege for it.
REFUSED_CALL = ("setarch", "--addr-no-randomize", "echo", "done")


@pytest.fixture
def run(docker, build):
    """Run a command in a container of its own: ``run("look", "--user", "0")``."""

    def call(command, *flags, dockerfile="Dockerfile"):
        words = ["sh", "-c", command] if isinstance(command, str) else command
        return docker("run", "--rm", *flags, build(dockerfile), *words, check=False)

    return call


@pytest.fixture
def look(run):
    """Return what the program look tells in a container with these flags: what -> its words."""
    return lambda *flags: told(run(["look"], *flags).stdout)


def told(text):
    """Read what the program look printed; a line may go on in the next one."""
    whole = text.replace("\n" + 17 * " ", " ")
    return {line[:16].strip(): line[17:].strip() for line in whole.splitlines()}


@pytest.fixture(scope="module")
def compose(docker, folder, prefix):
    """Run ``docker compose ARGS`` on the example's stack, which is up."""

    def call(*args, check=True):
        command = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stack"]
        return docker(*command, *args, check=check, timeout=300)

    call("up", "--detach", "--build")
    yield call
    call("down", "--timeout", "0", "--rmi", "local")


def ask(compose):
    """Return what the stack's server answers, "" if it does not."""
    try:
        with urllib.request.urlopen(f"http://{compose('port', 'web', '8000').stdout.strip()}", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


# The flags, one by one.


def test_default_capabilities(look, only_docker):
    """Without a flag a container's root holds 14 of the kernel's capabilities, and SYS_ADMIN is not among them."""
    only_docker("Podman leaves a smaller set to root")

    assert sorted(look("--user", "0")["capabilities"].split()) == DEFAULT.split()


def test_user_holds_none(look):
    """A user other than root holds no capability, but can gain those that root would have."""
    user, root = look(), look("--user", "0")

    assert user["capabilities"] == "none"
    assert user["can be gained"] == root["capabilities"] != "none"


def test_drop_all(look):
    """With --cap-drop ALL even root holds no capability, and can gain none."""
    root = look("--user", "0", "--cap-drop", "ALL")

    assert (root["capabilities"], root["can be gained"]) == ("none", "none")


def test_root_without_capabilities(run):
    """Root without capabilities cannot give a file away, and can with CHOWN alone."""
    give = "touch /tmp/x && chown 10001 /tmp/x && stat -c %u /tmp/x"
    root = ("--user", "0", "--cap-drop", "ALL")
    refused, allowed = run(give, *root), run(give, *root, "--cap-add", "CHOWN")

    assert "Operation not permitted" in refused.stderr
    assert allowed.stdout == "10001\n"


def test_low_port(run, only_docker):
    """On a network of its own, a program without any capability may listen on port 80."""
    only_docker("Podman keeps ports below 1024 for those who hold NET_BIND_SERVICE")
    listen = ["python", "-c", "import socket; socket.create_server(('', 80)); print('listens')"]

    assert run(listen, "--cap-drop", "ALL").stdout == "listens\n"


def test_setuid(run):
    """By a program with the setuid bit a user becomes root, with root's capabilities; no-new-privileges prevents it."""
    status = ["grep-as-root", "-E", "Uid|CapEff", "/proc/self/status"]
    gained = run(status, dockerfile="Dockerfile.setuid").stdout.split()
    refused = run(status, "--security-opt", "no-new-privileges", dockerfile="Dockerfile.setuid").stdout.split()

    # The user who started the program, and the one as whom it runs.
    assert gained[1:3] == ["10001", "0"]
    assert int(gained[-1], 16) > 0
    assert refused[1:3] == ["10001", "10001"]
    assert int(refused[-1], 16) == 0


def test_read_only(run):
    """With --read-only not even root can write to /usr/local/bin, and without a tmpfs not to /tmp either."""
    for path in ("/usr/local/bin/x", "/tmp/x"):
        refused = run(["touch", path], "--user", "0", "--read-only")
        assert refused.returncode == 1
        assert "Read-only file system" in refused.stderr


def test_tmpfs(run):
    """A tmpfs can be written to in a container that is read-only, and what is put there cannot be run."""
    flags = ("--read-only", "--tmpfs", "/tmp:size=16m")
    written = run("cp /bin/date /tmp && ls /tmp", *flags)
    started = run("cp /bin/date /tmp && /tmp/date", *flags)

    assert written.stdout == "date\n"
    assert started.returncode == 126
    assert "Permission denied" in started.stderr


def test_broken_by_read_only(run):
    """A server that keeps a file in /tmp ends at its start when the container is read-only and has no tmpfs."""
    ended = run(["serve"], "--read-only")

    assert ended.returncode == 1
    assert "Read-only file system: '/tmp/visits'" in ended.stderr


def test_seccomp(run):
    """The default filter refuses a system call that needs no privilege; with seccomp=unconfined it is let through."""
    refused, allowed = run(REFUSED_CALL), run(REFUSED_CALL, "--security-opt", "seccomp=unconfined")

    assert refused.returncode != 0
    assert "Operation not permitted" in refused.stderr
    assert allowed.stdout == "done\n"


def test_privileged(look, docker, build):
    """With --privileged root holds SYS_ADMIN, no filter looks at its calls, and it has more devices."""
    free, usual = look("--user", "0", "--privileged"), look("--user", "0")

    assert "sys_admin" in free["capabilities"].split()
    assert free["system calls"] == "not filtered"
    assert usual["system calls"] == "filtered"
    assert int(free["devices"]) > int(usual["devices"])


def test_what_each_flag_changes(look, table):
    """Of the table's four columns, each flag changes those that it is for, and leaves the others."""
    rows = {flag: look(*words) for flag, words in FLAGS.items()}

    def count(names):
        return names.split()[0] if "of" in names.split() else str(len(names.split()) if names != "none" else 0)

    cells = {
        "capabilities": lambda row: count(row["capabilities"]),
        "can be gained": lambda row: count(row["can be gained"]) if row["new privileges"] == "allowed" else "0",
        "system calls": lambda row: row["system calls"],
        "files of the image": lambda row: row["files of image"],
    }
    grid = [
        {"row": flag, "column": column, "cell": cell(row)}
        for flag, row in rows.items()
        for column, cell in cells.items()
    ]
    table("flags", "grid", grid)
    first = {one["column"]: one["cell"] for one in grid if one["row"] == "root, no flag"}
    changed = {
        flag: {one["column"] for one in grid if one["row"] == flag and one["cell"] != first[one["column"]]}
        for flag in FLAGS
    }

    assert changed["root, no flag"] == set()
    assert changed["user 10001"] == {"capabilities"}
    assert changed["root, `--cap-drop ALL`"] == {"capabilities", "can be gained"}
    assert changed["user 10001, `no-new-privileges`"] == {"capabilities", "can be gained"}
    assert changed["root, `--read-only`"] == {"files of the image"}
    assert changed["root, `seccomp=unconfined`"] == {"system calls"}
    assert changed["root, `--privileged`"] == {"capabilities", "can be gained", "system calls"}


# All of them together.


def test_stack_still_answers(compose):
    """With all of it taken away the server answers, and counts in its tmpfs."""
    first = until(lambda: ask(compose), "an answer of the server")

    assert first.startswith("visit ")
    assert int(ask(compose).split()[1]) == int(first.split()[1]) + 1


def test_stack_is_hardened(compose):
    """The Compose service's user and root hold and gain no capability, and the image's files are read-only."""
    for user in ("10001:10001", "0:0"):
        seen = told(compose("exec", "--no-TTY", "--user", user, "web", "look").stdout)
        assert seen.pop("devices")
        assert seen == {
            "user": user,
            "capabilities": "none",
            "can be gained": "none",
            "new privileges": "refused",
            "system calls": "filtered",
            "files of image": "read-only",
        }


def test_stack_has_limits(compose, docker):
    """The Compose service has its limits of memory and of processes."""
    container = compose("ps", "--quiet").stdout.strip()
    found = json.loads(docker("inspect", "--format", "{{json .HostConfig}}", container).stdout)

    assert (found["Memory"], found["PidsLimit"]) == (128 * 2**20, 64)


# The way around all of it.


def test_socket_is_root(docker, build, name, engine):
    """A program that holds no capability but has the engine's socket, mounted read-only, reads what only root may."""
    address = engine.environment.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    socket = address.removeprefix("unix://")
    taken = docker(
        *("run", "--rm", "--user", "0:0", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--volume", f"{socket}:/var/run/docker.sock:ro"),
        *(build(), "takeover", build(), name("taken")),
    )

    assert taken.stdout.startswith("root: is how /host/etc/shadow begins, mode 640, user 0")
