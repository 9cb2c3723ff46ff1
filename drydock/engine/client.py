"""The client of one Docker Engine: runs its `docker` command and knows its facts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drydock.errors import EngineError

#: Seconds in which an engine that is there answers.
ANSWER_TIMEOUT = 10.0
#: The label of stand-ins, and of images built on them.
STAND_IN_LABEL = "dev.drydock.stand-in"


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
        return run_docker([self.docker, *args], self.environment, check=check, text=text, timeout=timeout)

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment, pointed at this engine."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "COMPOSE_", "BUILDX_"))}
        return {**kept, **self.client}


def run_docker(
    command: Sequence[str], env: Mapping[str, str], *, check: bool, text: str | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the client's `command` in the environment `env`; see :meth:`Engine.run`."""
    given: Any = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(
            command, env=dict(env), capture_output=True, text=True, errors="replace", timeout=timeout, **given
        )
    except FileNotFoundError:
        raise EngineError("no docker command on the PATH") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{_show_command(command)}: no end within {timeout:g} s") from None
    if check and done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise EngineError(f"{_show_command(command)}: exit {done.returncode}\n{said}")
    return done


def _show_command(command: Sequence[str]) -> str:
    return "docker " + " ".join(command[1:])


def connect_engine(client: Mapping[str, str], *, private: bool = False, mirror: str = "") -> Engine:
    """Return the engine that answers to `client`, with its facts.

    :raises EngineError: none answers, or its client lacks Compose or buildx.
    """
    engine = Engine(client, private, mirror)
    version = json.loads(engine.run("version", "--format", "{{json .}}", timeout=ANSWER_TIMEOUT).stdout)
    if not version.get("Server"):
        raise EngineError("the client got no answer from a server")
    known = json.loads(engine.run("info", "--format", "{{json .}}", timeout=ANSWER_TIMEOUT).stdout)
    facts = {
        "name": "Podman" if "podman" in json.dumps(version["Server"]).lower() else "Docker",
        "version": re.sub(r"[+~].*", "", version["Server"]["Version"]),
        "store": _image_store(known),
        "architecture": version["Server"]["Arch"],
        "kernel": known["KernelVersion"],
        "cgroup": known.get("CgroupVersion", ""),
        "compose": _plugin_version(engine, "compose"),
        "buildx": _plugin_version(engine, "buildx"),
        "base_images": "stand-ins" if mirror or _has_stand_ins(engine) else "official",
        "id": known["ID"],
    }
    return Engine(client, private, mirror, facts)


def _image_store(known: Mapping[str, object]) -> str:
    status = dict(known.get("DriverStatus") or ())  # type: ignore[call-overload]
    return "containerd" if "containerd" in str(status.get("driver-type", "")) else str(known["Driver"])


def _has_stand_ins(engine: Engine) -> bool:
    """An engine that is not Drydock's may have got stand-ins all the same: from a registry or an archive."""
    return bool(
        engine.run("images", "--quiet", "--filter", f"label={STAND_IN_LABEL}", timeout=ANSWER_TIMEOUT).stdout.strip()
    )


def _plugin_version(engine: Engine, plugin: str) -> str:
    said = engine.run(plugin, "version", check=False, timeout=ANSWER_TIMEOUT)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout)
    if said.returncode or not found:
        raise EngineError(f"'docker {plugin}' does not work: install the docker-{plugin} plugin")
    return found[0]
