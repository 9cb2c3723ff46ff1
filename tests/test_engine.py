"""Finding the engine, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from drydock import ROOT
from drydock.engine import choose
from drydock.engine.__main__ import main as engine_main
from drydock.engine.client import Engine
from drydock.engine.private import daemon, host_network
from drydock.engine.resources import Resource
from drydock.errors import EngineError


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    for variable in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    choose.get_engine.cache_clear()
    yield
    choose.get_engine.cache_clear()


def test_without_an_engine_the_ways_out_are_named(monkeypatch, capsys):
    """Not root and no engine: one message with what was tried and three ways out."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    monkeypatch.setattr(daemon.os, "geteuid", lambda: 1000)

    with pytest.raises(EngineError) as caught:
        choose.get_engine()
    message = str(caught.value)
    assert "you are not root" in message
    assert "tried: unix:///no/such.sock" in message
    assert [line[:4] for line in message.splitlines()[-3:]] == ["  1.", "  2.", "  3."]


@pytest.mark.parametrize(
    ("platform", "root", "apt", "reason"),
    [
        ("darwin", True, True, "needs Linux"),
        ("linux", False, True, "you are not root"),
        ("linux", True, False, "no apt-get"),
        ("linux", True, True, ""),
    ],
)
def test_what_keeps_a_private_engine_from_starting(monkeypatch, platform, root, apt, reason):
    """A private engine needs Linux, root and apt-get; what is missing is said."""
    monkeypatch.setattr(daemon.sys, "platform", platform)
    monkeypatch.setattr(daemon.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(daemon.shutil, "which", lambda name: "/usr/bin/apt-get" if apt else None)

    assert reason in daemon.why_unavailable()
    assert bool(daemon.why_unavailable()) == bool(reason)


def test_a_cache_path_too_long_for_a_socket_is_refused(monkeypatch):
    """A Unix socket takes a short path only; the message says what to set."""
    monkeypatch.setattr(daemon.os, "geteuid", lambda: 0)
    monkeypatch.setattr(daemon.shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setenv("XDG_CACHE_HOME", "/" + "x" * 120)

    assert "set XDG_CACHE_HOME" in daemon.why_unavailable()


def test_a_run_without_engine_ends_without_a_traceback(tmp_path):
    """`nox -s examples` without an engine prints the message and ends with an error."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
    env |= {"DOCKER_HOST": "unix:///no/such.sock", "XDG_CACHE_HOME": "/" + "x" * 120}
    command = [sys.executable, "-m", "pytest", "--on-engine", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)

    assert done.returncode == 4
    assert "Three ways out" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_help_has_no_empty_choice(capsys):
    """`nox -s engine -- --help` lists the private engines, and nothing else, to choose from."""
    with pytest.raises(SystemExit):
        engine_main(["--help"])
    assert "{," not in capsys.readouterr().out


def test_only_start_takes_an_engine(capsys):
    """An engine after another action is an error; without it, the action runs."""
    with pytest.raises(SystemExit):
        engine_main(["stop", "docker-28.5"])
    assert "stop takes no engine" in capsys.readouterr().err
    assert engine_main(["stop"]) == 0
    assert capsys.readouterr().out == "drydock: no private engine runs\n"


@pytest.mark.parametrize("private", [True, False])
def test_status_shows_how_to_use_the_engine(monkeypatch, capsys, private):
    """A shell that runs the lines of `status` has the engine's address, and for a private engine its client."""
    facts = {"name": "Docker", "version": "28.5.2", "store": "containerd", "base_images": "official"}
    client = {"DOCKER_HOST": "unix:///it's mine/docker.sock", "DOCKER_CONFIG": "/mine/client"}
    engine = Engine(client, private, facts=facts)
    monkeypatch.setattr("drydock.engine.__main__.find_engine", lambda: engine)

    assert engine_main(["status"]) == 0
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert first == f"drydock: {engine}"
    assert second == "drydock: to use it in your shell:"
    script = "\n".join([*lines, 'echo "$DOCKER_HOST" "$DOCKER_CONFIG" "$PATH"'])
    done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": "/bin"}, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"unix:///it's mine/docker.sock {'/mine/client /mine/client:/bin' if private else ' /bin'}\n"


def test_an_unknown_slug_is_answered_with_the_known_ones():
    """`nox -s examples -- slug` with a slug that is not there lists the known ones, before any engine is asked."""
    command = [sys.executable, "-m", "pytest", "--on-engine", "--example=hello-contaner", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 4
    assert "no example 'hello-contaner'; did you mean hello-container?" in done.stderr


@pytest.mark.parametrize(
    ("message", "runs"), [("snapshot sha256:" + "0" * 64 + " does not exist: not found", 3), ("no", 1)]
)
def test_a_command_that_lost_a_race_runs_again(tmp_path, message, runs):
    """With the containerd image store, a command fails if an image with the same layer is removed under it."""
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\necho '{message}' >&2\nexit 1\n")
    docker.chmod(0o755)
    engine = Engine({"PATH": str(tmp_path)})

    assert engine.run("system", "df", check=False).returncode == 1
    assert (tmp_path / "runs").read_text().split() == ["run"] * runs
    with pytest.raises(EngineError, match=message):
        engine.run("system", "df")


def test_the_key_names_engine_version_and_store():
    """Evidence is kept by engine, minor version and image store."""
    facts = {"name": "Docker", "version": "28.5.2", "store": "overlay2", "base_images": "stand-ins"}

    assert Engine({}, facts=facts).key == "docker-28.5"
    assert Engine({}, facts={**facts, "store": "containerd"}).key == "docker-28.5-containerd"
    assert str(Engine({}, True, facts=facts)) == "Docker 28.5.2 (private, overlay2), base images: stand-ins"


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("hello", True),
        ("hello:latest", True),
        ("hello-web-1", True),
        ("hello_default", True),
        ("hello-t0123abcd-web", False),
        ("hello2", False),
        ("othello", False),
    ],
)
def test_a_thing_belongs_to_an_example_by_its_name(name, belongs):
    """A transcript's things are known by the slug; what a run of the tests made is the run's."""
    assert Resource("container", name, "k").belongs_to("hello") is belongs


def test_a_thing_belongs_to_a_run_by_its_name():
    """The run's eight digits in a name say which run made it."""
    assert Resource("container", "hello-t0123abcd-9f-web", "k").run == "0123abcd"
    assert Resource("image", "hello-t0123abcd:v0", "k").run == "0123abcd"
    assert Resource("container", "hello-terminal", "k").run is None


def test_the_hosts_own_firewall_rules_stay():
    """Stopping removes an engine's bridges, chains and rules, restores the policy, and nothing else."""
    before = {"iptables filter": ["-P FORWARD ACCEPT", "-N MINE", "-A INPUT -j MINE"]}
    after = [
        "-P FORWARD DROP",
        "-N MINE",
        "-N DOCKER",
        "-N DOCKER-USER",
        "-A INPUT -j MINE",
        '-A INPUT -p tcp -m comment --comment "mine too" -j ACCEPT',
        "-A FORWARD -j DOCKER-USER",
        "-A FORWARD -o br-0123456789ab -j ACCEPT",
    ]
    done = []

    def run(*command):
        if command[-1] == "-S":
            return "\n".join(after) if command[:3] == ("iptables", "-t", "filter") else ""
        if command[:2] == ("ip", "-oneline"):
            return "1: lo: <UP>\n2: eth0: <UP>\n3: docker0: <UP>\n4: br-0123456789ab: <UP>\n5: br-lan: <UP>"
        done.append(" ".join(command).removeprefix("iptables -t filter "))
        return ""

    rules = {f"{wall} {table}": [] for wall in host_network.FIREWALLS for table in host_network.TABLES} | before
    forwarding = host_network.FORWARDING.read_text().strip()
    host_network.restore_network({"links": ["lo", "eth0"], "forwarding": forwarding, "rules": rules}, run)

    assert done == [
        "-D FORWARD -j DOCKER-USER",
        "-D FORWARD -o br-0123456789ab -j ACCEPT",
        "-F DOCKER",
        "-F DOCKER-USER",
        "-X DOCKER",
        "-X DOCKER-USER",
        "-P FORWARD ACCEPT",
        "ip link delete br-0123456789ab",
        "ip link delete docker0",
    ]
