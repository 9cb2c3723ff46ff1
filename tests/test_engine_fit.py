"""Engines that the examples can't run on: one message each, with the way out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from drydock import ROOT
from drydock.engine import base_images, choose
from drydock.engine.__main__ import main as engine_main
from drydock.engine.client import Engine
from drydock.engine.private import daemon
from drydock.errors import EngineError, UnfitEngineError
from drydock.model import example as examples
from drydock.model.example import Example
from drydock.testing import plugin

VERSION = {"Client": {"Version": "29.7.2"}, "Server": {"Version": "29.7.2+deb", "ApiVersion": "1.52", "Arch": "amd64"}}
INFO = {"ID": "a", "Name": "far", "KernelVersion": "6.12", "CgroupVersion": "2", "Driver": "overlay2"}
CONTEXT = {"Name": "mine", "Endpoints": {"docker": {"Host": "unix:///mine.sock"}}}
#: A docker command. Each of its answers is a file; a file that ends in `.error` is a failure.
FAKE = """#!/bin/sh
answers=$(dirname "$0")/answers
echo "$@ $DOCKER_HOST $DOCKER_CERT_PATH $DOCKER_TLS_VERIFY" >> "$answers/calls"
if [ -e "$answers/$1.error" ]; then cat "$answers/$1.error" >&2; exit 1; fi
[ -e "$answers/$1-$2" ] && exec cat "$answers/$1-$2"
[ -e "$answers/$1" ] && exec cat "$answers/$1"
exit 0
"""


@pytest.fixture(name="answers")
def _answers(tmp_path, monkeypatch):
    """Return the folder with the answers of a docker command whose engine is a Docker 29.7 that fits."""
    for variable in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(daemon.os, "geteuid", lambda: 1000)
    (tmp_path / "docker").write_text(FAKE)
    (tmp_path / "docker").chmod(0o755)
    answers = tmp_path / "answers"
    answers.mkdir()
    for name, answer in (("version", VERSION), ("info", INFO), ("context", CONTEXT)):
        (answers / name).write_text(json.dumps(answer))
    (answers / "compose-version").write_text("Docker Compose version v5.6.1")
    (answers / "buildx").write_text("github.com/docker/buildx v0.36.1 abc")
    choose.get_engine.cache_clear()
    yield answers
    choose.get_engine.cache_clear()


def test_an_engine_that_fits(answers):
    """The facts come from the engine's answers."""
    facts = choose.get_engine().facts

    assert (facts["name"], facts["version"], facts["api"], facts["compose"]) == ("Docker", "29.7.2", "1.52", "5.6.1")
    assert (facts["cgroup"], facts["architecture"], facts["base_images"]) == ("2", "amd64", "official")
    assert not {"rootless", "desktop"} & facts.keys()


def test_the_status_is_that_of_the_engine_asked_for(answers, monkeypatch, capsys):
    """With DOCKER_HOST, the status is that engine's, as for the tests; without it, that of a private one that runs."""
    facts = {"name": "Docker", "version": "28.5.2", "store": "overlay2", "base_images": "stand-ins"}
    client = {"DOCKER_HOST": "unix:///private", "DOCKER_CONFIG": "/client"}
    private = Engine(client, private=True, facts=facts)
    monkeypatch.setattr(daemon, "running_engine", lambda: private)

    assert engine_main(["status"]) == 0
    monkeypatch.setenv("DOCKER_HOST", "unix:///mine.sock")
    assert engine_main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(("drydock: Docker", "export DOCKER_HOST"))] == [
        "drydock: Docker 28.5.2 (private, overlay2), base images: stand-ins",
        "export DOCKER_HOST=unix:///private",
        "drydock: Docker 29.7.2 (your own, overlay2), base images: official",
        "export DOCKER_HOST=unix:///mine.sock",
    ]


def test_rootless_desktop_and_other_names_of_architectures(answers, monkeypatch):
    """Rootless engines and Docker Desktop are told apart, and x86_64 is amd64."""
    info = {**INFO, "OperatingSystem": "Docker Desktop", "SecurityOptions": ["name=seccomp", "name=rootless"]}
    (answers / "info").write_text(json.dumps(info))
    (answers / "version").write_text(json.dumps({"Server": {**VERSION["Server"], "Arch": "x86_64"}}))
    (answers / "socket").touch()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{answers}/socket")
    engine = choose.get_engine()

    assert (engine.facts["rootless"], engine.facts["desktop"], engine.facts["architecture"]) == ("yes", "yes", "amd64")
    assert str(engine) == "Docker 29.7.2 (Docker Desktop, rootless, overlay2), base images: official"


TOO_NEW = "Error response from daemon: client version 1.44 is too new. Maximum supported API version is 1.41"
TOO_OLD = (
    "Error response from daemon: client version 1.43 is too old. Minimum supported API version is 1.44, please ..."
)


@pytest.mark.parametrize(
    ("command", "error", "problem"),
    [
        (
            "version",
            TOO_NEW,
            "the engine is too old for the docker command: it supports Docker's API up to 1.41, and the",
        ),
        ("version", TOO_OLD, "the docker command is too old for the engine: it speaks version 1.43 of Docker's API"),
        (
            "version",
            "Client sent an HTTP request to an HTTPS server.",
            "the engine requires TLS: set DOCKER_TLS_VERIFY=1",
        ),
        (
            "version",
            "open /root/.docker/ca.pem: no such file or directory",
            "the certificates for TLS are missing: set",
        ),
        (
            "info",
            "http: server gave HTTP response to HTTPS client",
            "the engine doesn't use TLS: unset DOCKER_TLS_VERIFY",
        ),
        ("info", "tls: failed to verify certificate: x509: unknown", "don't agree on TLS (tls: failed to verify"),
        (
            "version",
            "permission denied while trying to connect to the Docker daemon socket",
            'usermod -aG docker "$USER"',
        ),
        ("buildx", "docker: 'buildx' is not a docker command.", "'docker buildx' is missing. Install the package"),
        ("compose", "docker: 'compose' is not a docker command.", "'docker compose' is missing. Install the package"),
    ],
)
def test_an_engine_that_does_not_fit(answers, command, error, problem):
    """What the docker command refuses is one message with the way out, and no other engine is started instead."""
    (answers / f"{command}.error").write_text(error)

    with pytest.raises(UnfitEngineError) as caught:
        choose.get_engine()
    message = str(caught.value)
    assert message.startswith("The examples can't run on the engine of context mine: ")
    assert problem in message
    assert "\n" not in message


def test_an_engine_too_old_for_compose(answers):
    """Where only Compose needs a newer engine, the message has Compose's version."""
    (answers.parent / "docker").write_text(
        FAKE.replace("exit 0", f'[ "$1 $2" = "compose ls" ] && echo "{TOO_NEW}" >&2 && exit 1\nexit 0')
    )

    with pytest.raises(
        UnfitEngineError, match=r"too old for Compose 5\.6\.1: .* Update the engine, or use an older Compose"
    ):
        choose.get_engine()


def test_compose_1_does_not_do(answers):
    """Where there is a docker-compose command instead of the plugin, the message says that it doesn't replace it."""
    (answers / "compose.error").write_text("docker: 'compose' is not a docker command.")
    (answers.parent / "docker-compose").write_text("#!/bin/sh\n")
    (answers.parent / "docker-compose").chmod(0o755)

    with pytest.raises(UnfitEngineError, match="the command docker-compose doesn't replace it"):
        choose.get_engine()


def test_a_rootless_engine_of_another_user(answers, monkeypatch):
    """A rootless engine can't read another user's folders, so it is refused before a test mounts one."""
    (answers / "info").write_text(json.dumps({**INFO, "SecurityOptions": ["name=rootless"]}))
    (answers / "socket").touch()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{answers}/socket")
    monkeypatch.setattr(os, "getuid", lambda: 1234)

    with pytest.raises(UnfitEngineError, match=r"belongs to another user \(ID \d+\), .* Run the command as that user"):
        choose.get_engine()


@pytest.mark.parametrize("address", ["ssh://me@far", "tcp://192.0.2.1:2375"])
def test_an_engine_on_another_machine(answers, monkeypatch, address):
    """Tests need the engine's ports and folders, so an engine elsewhere is refused before a test runs."""
    monkeypatch.setenv("DOCKER_HOST", address)

    with pytest.raises(
        UnfitEngineError, match=f"engine of {address}: it runs on another machine, far.*Run the command on"
    ):
        choose.get_engine()


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:2375", "tcp://localhost:2375", "tcp://[::1]:2375", "tcp://other:1"]
)
def test_an_engine_of_this_machine_over_tcp(answers, monkeypatch, address):
    """An address of this machine is fine, and so is another one where the engine has this machine's name."""
    monkeypatch.setenv("DOCKER_HOST", address)
    if "other" in address:
        (answers / "info").write_text(json.dumps({**INFO, "Name": socket.gethostname()}))

    assert choose.get_engine().client["DOCKER_HOST"] == address


def test_a_context_with_tls(answers):
    """The certificates of a context are passed on, for tools that know no contexts."""
    endpoint = {"Host": "tcp://127.0.0.1:2376", "SkipTLSVerify": False}
    more = {"TLSMaterial": {"docker": ["ca.pem", "cert.pem", "key.pem"]}, "Storage": {"TLSPath": "/tls"}}
    (answers / "context").write_text(json.dumps({**CONTEXT, "Endpoints": {"docker": endpoint}, **more}))
    client = choose.get_engine().client

    assert (client["DOCKER_CERT_PATH"], client["DOCKER_TLS_VERIFY"]) == ("/tls/docker", "1")
    assert "tcp://127.0.0.1:2376 /tls/docker 1" in (answers / "calls").read_text()


@pytest.mark.parametrize("tls", [True, False])
def test_the_certificate_of_an_engine_is_checked_by_its_authority(monkeypatch, tls):
    """A bundle of authorities in the environment would replace that of the engine in Python's clients."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/bundle")
    client = {"DOCKER_HOST": "tcp://127.0.0.1:2376", **({"DOCKER_CERT_PATH": "/tls"} if tls else {})}
    monkeypatch.setattr(os, "environ", os.environ.copy())
    plugin._point_at(Engine(client))

    assert ("REQUESTS_CA_BUNDLE" in os.environ) is not tls


def test_docker_desktop_that_is_stopped(answers):
    """Where Docker Desktop doesn't run, the message says to start it."""
    host = {"docker": {"Host": "unix:///home/me/.docker/desktop/docker.sock"}}
    (answers / "context").write_text(json.dumps({"Name": "desktop-linux", "Endpoints": host}))
    (answers / "version.error").write_text(
        "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
    )

    with pytest.raises(
        EngineError, match=r"tried: context desktop-linux: .*; start Docker Desktop, and wait until it is"
    ):
        choose.get_engine()


def test_a_run_on_an_unfit_engine_has_no_traceback(answers):
    """`nox -s examples` on an engine that doesn't fit prints the message, and ends before the first test."""
    (answers / "version.error").write_text(TOO_NEW)
    command = [sys.executable, "-m", "pytest", "--on-engine", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 4
    assert "the engine is too old for the docker command" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_base_images_of_an_example(tmp_path):
    """The permitted base images that the files or the test name are found, and no part of a longer name."""
    root = tmp_path / "examples" / "hello"
    root.mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM python:3.13-slim-bookworm\nFROM gcr.io/distroless/static-debian13 AS a\n")
    (root / "compose.yaml").write_text("image: mirror/redis:8\nimage: 'postgres:17'\n")
    hello = Example(root)
    hello.test.parent.mkdir(parents=True)
    hello.test.write_text('BASE = "busybox:1.37"')

    assert base_images.find_base_images(hello) == [
        *("busybox:1.37", "postgres:17", "gcr.io/distroless/static-debian13:latest"),
    ]
    assert base_images.find_base_images(examples.load_examples()["hello-container"]) == ["debian:trixie-slim"]


def test_base_images_are_pulled_once(answers, tmp_path):
    """What the engine has isn't pulled, and what can't be pulled is one message."""
    engine = Engine({"DOCKER_HOST": "unix:///x", "PATH": os.environ["PATH"]})
    hello = examples.load_examples()["hello-container"]
    base_images.pull_base_images(engine, hello)
    assert "pull" not in (answers / "calls").read_text()

    (answers / "image.error").write_text("Error: No such image")
    base_images.pull_base_images(engine, hello)
    assert "pull --quiet debian:trixie-slim" in (answers / "calls").read_text()

    (answers / "pull.error").write_text("toomanyrequests: You have reached your pull rate limit")
    with pytest.raises(
        UnfitEngineError, match=r"can't pull debian:trixie-slim, .*: toomanyrequests: .*Run 'docker pull"
    ):
        base_images.pull_base_images(engine, hello)
