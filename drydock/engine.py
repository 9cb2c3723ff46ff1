"""The engine: the real Docker Engine that examples run on. Finds the one that answers, else the private engine."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drydock.errors import EngineError

#: Seconds in which an engine that is there answers.
ANSWER = 10.0
#: The label of stand-ins, and of images built on them.
LABEL = "dev.drydock.stand-in"


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    :ivar client: the environment its client needs: ``DOCKER_HOST``, ``DOCKER_CONFIG``, ``PATH``.
    :ivar private: whether it is Drydock's own. On another engine no base image is ever tagged.
    :ivar mirror: ``host:port`` of the registry that holds stand-ins, or "" when base images come from Docker Hub.
    """

    client: Mapping[str, str]
    private: bool = False
    mirror: str = ""
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        kind = "private" if self.private else "your own"
        return (
            f"{self.facts['name']} {self.facts['version']} ({kind}, {self.facts['store']}), "
            f"base images: {self.facts['base_images']}"
        )

    @property
    def key(self) -> str:
        """The name under which evidence is kept, such as ``docker-28.5`` or ``docker-29.7-containerd``."""
        name = self.facts["name"].lower()
        version = ".".join(self.facts["version"].split(".")[:2])
        return f"{name}-{version}" + ("-containerd" if self.facts["store"] == "containerd" else "")

    @property
    def docker(self) -> str:
        """The path of its ``docker`` command."""
        return shutil.which("docker", path=self.client["PATH"]) or "docker"

    def run(
        self, *args: str, check: bool = True, text: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker ARGS`` on this engine and return its result, output as text.

        :param text: what the command reads on stdin; None gives it nothing to read.
        :param timeout: seconds.
        :raises EngineError: it took too long, or failed and `check` holds; the message has its last lines.
        """
        return _docker([self.docker, *args], self.environment, check=check, text=text, timeout=timeout)

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment, pointed at this engine."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "COMPOSE_", "BUILDX_"))}
        return {**kept, **self.client}


def _docker(
    command: Sequence[str], env: Mapping[str, str], *, check: bool, text: str | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    given: Any = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(
            command, env=dict(env), capture_output=True, text=True, errors="replace", timeout=timeout, **given
        )
    except FileNotFoundError:
        raise EngineError("no docker command on the PATH") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{_shown(command)}: no end within {timeout:g} s") from None
    if check and done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise EngineError(f"{_shown(command)}: exit {done.returncode}\n{said}")
    return done


def _shown(command: Sequence[str]) -> str:
    return "docker " + " ".join(command[1:])


def answering(client: Mapping[str, str], *, private: bool = False, mirror: str = "") -> Engine:
    """Return the engine that answers to `client`, with its facts.

    :raises EngineError: none answers, or its client lacks Compose or buildx.
    """
    engine = Engine(client, private, mirror)
    version = json.loads(engine.run("version", "--format", "{{json .}}", timeout=ANSWER).stdout)
    if not version.get("Server"):
        raise EngineError("the client got no answer from a server")
    known = json.loads(engine.run("info", "--format", "{{json .}}", timeout=ANSWER).stdout)
    facts = {
        "name": "Podman" if "podman" in json.dumps(version["Server"]).lower() else "Docker",
        "version": re.sub(r"[+~].*", "", version["Server"]["Version"]),
        "store": _store(known),
        "architecture": version["Server"]["Arch"],
        "kernel": known["KernelVersion"],
        "cgroup": known.get("CgroupVersion", ""),
        "compose": _version(engine, "compose"),
        "buildx": _version(engine, "buildx"),
        "base_images": "stand-ins" if mirror or _has_stand_ins(engine) else "official",
        "id": known["ID"],
    }
    return Engine(client, private, mirror, facts)


def _store(known: Mapping[str, object]) -> str:
    status = dict(known.get("DriverStatus") or ())  # type: ignore[call-overload]
    return "containerd" if "containerd" in str(status.get("driver-type", "")) else str(known["Driver"])


def _has_stand_ins(engine: Engine) -> bool:
    """An engine that is not Drydock's may have got stand-ins all the same: from a registry or an archive."""
    return bool(engine.run("images", "--quiet", "--filter", f"label={LABEL}", timeout=ANSWER).stdout.strip())


def _version(engine: Engine, plugin: str) -> str:
    said = engine.run(plugin, "version", check=False, timeout=ANSWER)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout)
    if said.returncode or not found:
        raise EngineError(f"'docker {plugin}' does not work: install the docker-{plugin} plugin")
    return found[0]


def find() -> Engine | str:
    """Return the engine of the caller's own that answers, or why none does.

    ``DOCKER_HOST``, then ``DOCKER_CONTEXT`` and the current context, then the default socket: the client's own order.
    """
    config = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
    client = {"PATH": os.environ.get("PATH", os.defpath), "DOCKER_CONFIG": config}
    client |= {k: os.environ[k] for k in os.environ if k.startswith("DOCKER_") and k != "DOCKER_CONFIG"}
    asked = client.get("DOCKER_HOST") or f"context {client.get('DOCKER_CONTEXT') or 'default'}"
    try:
        if "DOCKER_HOST" not in client:
            client["DOCKER_HOST"] = _context_host(client)
            client.pop("DOCKER_CONTEXT", None)
        return answering(client)
    except EngineError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return f"{asked}: {lines[-1] if lines else 'no answer'}"


def _context_host(client: Mapping[str, str]) -> str:
    """Resolve the context once, so that tools which know only ``DOCKER_HOST`` meet the same engine."""
    endpoint = "{{.Endpoints.docker.Host}}"
    command = ["docker", "context", "inspect", "--format", endpoint]
    done = _docker(command, {**os.environ, **client}, check=True, text=None, timeout=ANSWER)
    return done.stdout.strip()


NO_ENGINE = """\
No container engine answers, and Drydock cannot start one of its own: {reason}.
  tried: {tried}
Three ways out:
  1. install Docker Engine or Docker Desktop, start it, and run the command again;
  2. point DOCKER_HOST (or DOCKER_CONTEXT) at an engine that runs elsewhere;
  3. run the command as root on Debian or Ubuntu: Drydock then starts a private engine of its own."""


@functools.cache
def current(name: str = "") -> Engine:
    """Return the engine to use, starting the private one when no other answers.

    :param name: the kind of private engine to use, whatever else answers; see :data:`drydock.kinds.KINDS`.
    :raises EngineError: there is none and none can be started; the message says what was tried and the ways out.
    """
    from drydock import private

    if name:
        obstacle = private.obstacle()
        if obstacle:
            raise EngineError(f"{name} cannot be started: {obstacle}")
        return private.start(name)
    running = private.running()
    asked_for = os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")
    if running is not None and asked_for in (None, running.client["DOCKER_HOST"]):
        return running
    found = find()
    if isinstance(found, Engine):
        return found
    say(f"no engine answers ({found})")
    obstacle = private.obstacle()
    if obstacle:
        raise EngineError(NO_ENGINE.format(reason=obstacle, tried=found))
    return private.start()


def say(message: str) -> None:
    """Print a line about the engine, at once."""
    print(f"drydock: {message}", flush=True)
