"""The client of one engine: runs its ``docker`` command and knows its facts."""

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

#: Seconds for an engine to answer a simple request.
ANSWER_TIMEOUT = 10.0
#: The label of stand-ins and of images built on them.
STAND_IN_LABEL = "dev.drydock.stand-in"


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    :ivar client: the environment variables of its client: ``DOCKER_HOST``, ``DOCKER_CONFIG``, ``PATH``.
    :ivar private: whether it is the private engine. Base images are never tagged on another one.
    :ivar mirror: ``host:port`` of the registry that holds stand-ins, or "" if base images come from Docker Hub.
    :ivar facts: name, version, image store, and so on; see :func:`connect_engine`.
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
        """The key of its evidence, such as ``docker-28.5`` or ``docker-29.7-containerd``."""
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
        """Run ``docker ARGS`` on this engine and return the completed process, its output as text.

        :param text: the command's stdin; None connects it to /dev/null.
        :param timeout: seconds.
        :raises EngineError: it timed out, or it failed and `check` is true; the message has the end of its output.
        """
        return run_docker([self.docker, *args], self.environment, check=check, text=text, timeout=timeout)

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment, with the variables of this engine's client."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "COMPOSE_", "BUILDX_"))}
        return {**inherited, **self.client}


def run_docker(
    command: Sequence[str], env: Mapping[str, str], *, check: bool, text: str | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the client's `command` in the environment `env`; see :meth:`Engine.run`."""
    stdin: Any = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(
            command, env=dict(env), capture_output=True, text=True, errors="replace", timeout=timeout, **stdin
        )
    except FileNotFoundError:
        raise EngineError("no docker command on the PATH; install Docker's command line") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{_show_command(command)}: no end within {timeout:g} s") from None
    if check and done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise EngineError(f"{_show_command(command)}: exit {done.returncode}\n{tail}")
    return done


def _show_command(command: Sequence[str]) -> str:
    return "docker " + " ".join(command[1:])


def connect_engine(
    client: Mapping[str, str], *, private: bool = False, mirror: str = "", timeout: float = ANSWER_TIMEOUT
) -> Engine:
    """Return the engine of the environment `client`, with its facts.

    :param timeout: seconds for each answer; a daemon that has just started has to read its images first.
    :raises EngineError: it doesn't answer, or its client lacks Compose or buildx.
    """
    engine = Engine(client, private, mirror)
    version = json.loads(engine.run("version", "--format", "{{json .}}", timeout=timeout).stdout)
    if not version.get("Server"):
        raise EngineError("the docker command works, but no engine answers it")
    info = json.loads(engine.run("info", "--format", "{{json .}}", timeout=timeout).stdout)
    facts = {
        "name": "Podman" if "podman" in json.dumps(version["Server"]).lower() else "Docker",
        "version": re.sub(r"[+~].*", "", version["Server"]["Version"]),
        "store": _image_store(info),
        "architecture": version["Server"]["Arch"],
        "kernel": info["KernelVersion"],
        "cgroup": info.get("CgroupVersion", ""),
        "compose": _plugin_version(engine, "compose"),
        "buildx": _plugin_version(engine, "buildx"),
        "base_images": "stand-ins" if mirror or _has_stand_ins(engine) else "official",
        "id": info["ID"],
    }
    return Engine(client, private, mirror, facts)


def _image_store(info: Mapping[str, object]) -> str:
    status = dict(info.get("DriverStatus") or ())  # type: ignore[call-overload]
    return "containerd" if "containerd" in str(status.get("driver-type", "")) else str(info["Driver"])


def _has_stand_ins(engine: Engine) -> bool:
    """Return whether an image is a stand-in. Another engine can get them too, from a registry or an archive."""
    return bool(
        engine.run("images", "--quiet", "--filter", f"label={STAND_IN_LABEL}", timeout=ANSWER_TIMEOUT).stdout.strip()
    )


def _plugin_version(engine: Engine, plugin: str) -> str:
    done = engine.run(plugin, "version", check=False, timeout=ANSWER_TIMEOUT)
    version = re.search(r"\d+\.\d+\.\d+", done.stdout)
    if done.returncode or not version:
        raise EngineError(f"'docker {plugin} version' fails: install the docker-{plugin} plugin")
    return version[0]
