"""Chooses the engine: the one that the user names, else one that answers, else the private engine."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path

from drydock.engine.client import ANSWER_TIMEOUT, Engine, connect_engine, run_docker
from drydock.engine.private import daemon
from drydock.errors import EngineError, UnfitEngineError
from drydock.host import print_status

NO_ENGINE = """\
No container engine answers, and Drydock can't start its private engine: {reason}.
  tried: {tried}
Three ways out:
  1. Install Docker Engine or Docker Desktop, start it, and run the command again.
  2. Set DOCKER_HOST or DOCKER_CONTEXT to another engine on this machine.
  3. Run the command as root on Debian or Ubuntu: Drydock then starts its private engine."""


@functools.cache
def get_engine(name: str = "", folder: str = "", *, varied: bool = False) -> Engine:
    """Return the engine to use. The private engine is started if no other answers.

    :param name: a key of ``ENGINE_SPECS``: use this private engine, even if another engine answers.
    :param folder: use a private engine with the programs of this folder, even if another engine answers.
    :param varied: use a private engine whose base images are variations of the stand-ins.
    :raises EngineError: no engine answers, and none can start; the message lists the ways out.
    :raises UnfitEngineError: the user's engine answers, but the examples can't run on it.
    """
    if name or folder or varied:
        obstacle = daemon.why_unavailable()
        if obstacle:
            wanted = name or (f"of {folder}" if folder else "for --vary-bases")
            raise EngineError(f"Drydock can't start the private engine {wanted}: {obstacle}")
        return daemon.start_engine(name, folder, varied=varied)
    engine = find_engine()
    if isinstance(engine, Engine):
        # One with variations is only for the run that asks for it, whose workers get its address.
        unasked = engine.private and "DOCKER_HOST" not in os.environ and daemon.varies_bases()
        return daemon.start_engine() if unasked else engine
    print_status(f"no engine answers ({engine})")
    obstacle = daemon.why_unavailable()
    if obstacle:
        raise EngineError(NO_ENGINE.format(reason=obstacle, tried=engine))
    return daemon.start_engine()


def find_engine() -> Engine | str:
    """Return the private engine if it runs, else the user's engine if it answers, else the reason why it doesn't.

    The user's is that of ``DOCKER_HOST``, ``DOCKER_CONTEXT``, the current context, or the default socket, as for
    ``docker``. If one of the first two is set, it comes before the private engine.

    :raises UnfitEngineError: the examples can't run on it.
    """
    running = daemon.running_engine()
    wanted = os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")
    if running is not None and wanted in (None, running.client["DOCKER_HOST"]):
        return running
    return _find_own_engine()


def _find_own_engine() -> Engine | str:
    config = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
    client = {"PATH": os.environ.get("PATH", os.defpath), "DOCKER_CONFIG": config}
    client |= {k: os.environ[k] for k in os.environ if k.startswith("DOCKER_") and k != "DOCKER_CONFIG"}
    address = client.get("DOCKER_HOST", "")
    try:
        if not address:
            address, variables = _read_context(client)
            client = {**client, **variables}
            client.pop("DOCKER_CONTEXT", None)
        return connect_engine(client)
    except UnfitEngineError as error:
        raise UnfitEngineError(f"The examples can't run on the engine of {address}: {error}.") from None
    except EngineError as error:
        reason = _explain_silence(str(error), f"{address} {client.get('DOCKER_HOST', '')}")
        return f"{address or 'docker'}: {reason}"


def _explain_silence(message: str, address: str) -> str:
    """Return the last line of a client's message about an engine that doesn't answer, with the way out if there is one.

    :param address: the engine's context and address.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    stopped = "desktop" in address.lower() and "onnect" in message
    hint = "; start Docker Desktop, and wait until it is running" if stopped else ""
    return f"{lines[-1] if lines else 'no answer'}{hint}"


def _read_context(client: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the current context's name, and the variables that replace it for tools that know no contexts."""
    command = ["docker", "context", "inspect", "--format", "{{json .}}"]
    done = run_docker(command, {**os.environ, **client}, check=True, text=None, timeout=ANSWER_TIMEOUT)
    context = json.loads(done.stdout)
    endpoint = context["Endpoints"]["docker"]
    variables = {"DOCKER_HOST": endpoint["Host"]}
    if "docker" in (context.get("TLSMaterial") or {}):
        verify = "DOCKER_TLS" if endpoint.get("SkipTLSVerify") else "DOCKER_TLS_VERIFY"
        variables |= {"DOCKER_CERT_PATH": f"{context['Storage']['TLSPath']}/docker", verify: "1"}
    return f"context {context['Name']}", variables
