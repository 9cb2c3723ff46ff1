"""The client of one engine: runs its ``docker`` command and knows its facts."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from drydock.errors import EngineError, UnfitEngineError
from drydock.host import scale_limit
from drydock.model.conditions import engine_key

#: Seconds for an engine to answer a simple request.
ANSWER_TIMEOUT = 10.0
#: The error of the containerd image store if another client removes an image that shares a layer at the same moment.
#: Seen on Docker 28.5 in builds and in ``docker system df``. The command is right: it runs again, up to so many times.
LAYER_RACE = re.compile(r"snapshot sha256:[0-9a-f]{64} does not exist: not found")
RACE_TRIES = 3
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
        kind = "private" if self.private else "Docker Desktop" if "desktop" in self.facts else "your own"
        kind += ", rootless" if "rootless" in self.facts else ""
        return (
            f"{self.facts['name']} {self.facts['version']} ({kind}, {self.facts['store']}), "
            f"base images: {self.facts['base_images']}"
        )

    @property
    def key(self) -> str:
        """The key of its evidence, such as ``docker-28.5`` or ``docker-29.7-containerd``."""
        return engine_key(self.facts)

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
        command = [self.docker, *args]
        for _ in range(RACE_TRIES):
            done = run_docker(command, self.environment, text=text, timeout=timeout)
            if not (done.returncode and LAYER_RACE.search(done.stderr)):
                break
        if check:
            _check_status(done)
        return done

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment, with the variables of this engine's client."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "COMPOSE_", "BUILDX_"))}
        return {**inherited, **self.client}


def run_docker(
    command: Sequence[str], env: Mapping[str, str], *, check: bool = False, text: str | None = None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the client's `command` in the environment `env`; see :meth:`Engine.run`."""
    stdin: Any = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
    timeout = scale_limit(timeout)
    try:
        done = subprocess.run(
            command, env=dict(env), capture_output=True, text=True, errors="replace", timeout=timeout, **stdin
        )
    except FileNotFoundError:
        raise EngineError("no docker command on the PATH; install Docker's command line") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{_show_command(command)}: no end within {timeout:g} s") from None
    if check:
        _check_status(done)
    return done


def _check_status(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise EngineError(f"{_show_command(done.args)}: exit {done.returncode}\n{tail}")


def _show_command(command: Sequence[str]) -> str:
    return "docker " + " ".join(command[1:])


def connect_engine(
    client: Mapping[str, str], *, private: bool = False, mirror: str = "", timeout: float = ANSWER_TIMEOUT
) -> Engine:
    """Return the engine of the environment `client`, with its facts.

    :param timeout: seconds for each answer; a daemon that has just started has to read its images first.
    :raises EngineError: it doesn't answer.
    :raises UnfitEngineError: the examples can't run on it; the message has the reason and the way out.
    """
    engine = Engine(client, private, mirror)
    address = urlsplit(client["DOCKER_HOST"])
    if address.scheme == "ssh":
        raise UnfitEngineError(_ON_ANOTHER_MACHINE.format(address.hostname))
    version = json.loads(_ask_engine(engine, "version", timeout).stdout)
    if not version.get("Server"):
        raise EngineError("the docker command works, but no engine answers it")
    info = json.loads(_ask_engine(engine, "info", timeout).stdout)
    if address.scheme == "tcp" and not _is_this_machine(address.hostname or "", info["Name"]):
        raise UnfitEngineError(_ON_ANOTHER_MACHINE.format(info["Name"]))
    architecture = version["Server"]["Arch"]
    facts = {
        "name": "Podman" if "podman" in json.dumps(version["Server"]).lower() else "Docker",
        "version": re.sub(r"[+~].*", "", version["Server"]["Version"]),
        "api": version["Server"]["ApiVersion"],
        "store": _image_store(info),
        "architecture": _ARCHITECTURES.get(architecture, architecture),
        "kernel": info["KernelVersion"],
        "cgroup": info.get("CgroupVersion", ""),
        "compose": _plugin_version(engine, "compose"),
        "buildx": _plugin_version(engine, "buildx"),
        "base_images": "stand-ins" if mirror or _has_stand_ins(engine) else "official",
        "id": info["ID"],
        **dict.fromkeys(_list_traits(info), "yes"),
    }
    if "rootless" in facts:
        _check_owner(address)
    _ask_engine(engine, "compose", timeout, facts["compose"])
    return Engine(client, private, mirror, facts)


def _list_traits(info: Mapping[str, Any]) -> list[str]:
    """Return the names of the facts that most engines don't have."""
    traits = {
        "rootless": any("rootless" in option for option in info.get("SecurityOptions") or ()),
        "desktop": info.get("OperatingSystem") == "Docker Desktop",
        "virtual": bool(os.environ.get("DRYDOCK_VIRTUAL")),  # set in the virtual machine
    }
    return [name for name, present in traits.items() if present]


#: What a command asks the engine, so that its refusal shows.
_QUESTIONS = {"version": ("--format", "{{json .}}"), "info": ("--format", "{{json .}}"), "compose": ("ls", "--quiet")}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ON_ANOTHER_MACHINE = (
    "it runs on another machine, {}: the tests open ports on 127.0.0.1 and mount folders of this machine. "
    "Run the command on that machine"
)
_TLS = "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder that holds ca.pem, cert.pem, and key.pem"
#: Pattern of a refusal -> what is wrong and the way out; {0} is the program, and the others are the pattern's groups.
_REFUSALS = {
    r"client version ([\d.]+) is too new\. Maximum supported API version is ([\d.]+)": "the engine is too old for {0}: "
    "it supports Docker's API up to {2}, and {0} needs {1}. Update the engine, or use an older {0}",
    r"client version ([\d.]+) is too old\. Minimum supported API version is ([\d.]+)": "{0} is too old for the engine: "
    "it speaks version {1} of Docker's API, and the engine needs {2}. Update {0}",
    r"HTTP request to an HTTPS server": f"the engine requires TLS: {_TLS}",
    r"(?:ca|cert|key)\.pem: no such file": f"the certificates for TLS are missing: {_TLS}",
    r"HTTP response to HTTPS client": "the engine doesn't use TLS: unset DOCKER_TLS_VERIFY",
    r"((?:tls|x509): [^\n]+)": f"the engine and the docker command don't agree on TLS ({{1}}): {_TLS}",
    r"[Pp]ermission denied while trying to connect": "you have no permission to use its socket. Add yourself to the "
    'group docker (sudo usermod -aG docker "$USER"), and log in again',
}


def _ask_engine(engine: Engine, command: str, timeout: float, version: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command that the engine answers, and return the completed process.

    :param version: that of Compose, for the message.
    """
    try:
        return engine.run(command, *_QUESTIONS[command], timeout=timeout)
    except EngineError as error:
        program = f"Compose {version}" if version else "the docker command"
        for pattern, text in _REFUSALS.items():
            refusal = re.search(pattern, str(error))
            if refusal:
                raise UnfitEngineError(text.format(program, *refusal.groups())) from None
        raise


def _check_owner(address: SplitResult) -> None:
    """Refuse a rootless engine of another user: it can't read the folders that tests mount, which are the caller's."""
    owner = Path(address.path).stat().st_uid if address.scheme == "unix" else os.getuid()
    if owner != os.getuid():
        raise UnfitEngineError(
            f"it is rootless and belongs to another user (ID {owner}), so it can't read the folders that you mount. "
            "Run the command as that user"
        )


def _is_this_machine(host: str, name: str) -> bool:
    """Whether the host of an engine's address, or the engine's own host name, is that of this machine."""
    return host == "localhost" or host.startswith("127.") or host == "::1" or name == socket.gethostname()


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
        old = plugin == "compose" and shutil.which("docker-compose", path=engine.client["PATH"])
        why = "; the command docker-compose doesn't replace it" if old else ""
        raise UnfitEngineError(
            f"'docker {plugin}' is missing{why}. Install the package docker-{plugin}-plugin of Docker's repository, or "
            f"docker-{plugin} of Debian 13 or newer"
        )
    return version[0]
