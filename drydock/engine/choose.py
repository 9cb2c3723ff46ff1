"""Chooses the engine: the one that the user names, else one that answers, else the private engine."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

from drydock.engine.client import ANSWER_TIMEOUT, Engine, connect_engine, run_docker
from drydock.engine.private import daemon
from drydock.errors import EngineError
from drydock.host import print_status

NO_ENGINE = """\
No container engine answers, and Drydock can't start its private engine: {reason}.
  tried: {tried}
Three ways out:
  1. Install Docker Engine or Docker Desktop, start it, and run the command again.
  2. Set DOCKER_HOST or DOCKER_CONTEXT to an engine that runs elsewhere.
  3. Run the command as root on Debian or Ubuntu: Drydock then starts its private engine."""


@functools.cache
def get_engine(name: str = "", folder: str = "") -> Engine:
    """Return the engine to use. The private engine is started if no other answers.

    :param name: a key of ``ENGINE_SPECS``: use this private engine, even if another engine answers.
    :param folder: use a private engine with the programs of this folder, even if another engine answers.
    :raises EngineError: no engine answers, and none can start; the message lists the ways out.
    """
    if name or folder:
        obstacle = daemon.why_unavailable()
        if obstacle:
            raise EngineError(f"Drydock can't start the private engine {name or 'of ' + folder}: {obstacle}")
        return daemon.start_engine(name, folder)
    running = daemon.running_engine()
    wanted = os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")
    if running is not None and wanted in (None, running.client["DOCKER_HOST"]):
        return running
    engine = find_engine()
    if isinstance(engine, Engine):
        return engine
    print_status(f"no engine answers ({engine})")
    obstacle = daemon.why_unavailable()
    if obstacle:
        raise EngineError(NO_ENGINE.format(reason=obstacle, tried=engine))
    return daemon.start_engine()


def find_engine() -> Engine | str:
    """Return the user's engine if it answers, else the reason why it doesn't.

    It is that of ``DOCKER_HOST``, ``DOCKER_CONTEXT``, the current context, or the default socket, as for ``docker``.
    """
    config = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
    client = {"PATH": os.environ.get("PATH", os.defpath), "DOCKER_CONFIG": config}
    client |= {k: os.environ[k] for k in os.environ if k.startswith("DOCKER_") and k != "DOCKER_CONFIG"}
    address = client.get("DOCKER_HOST") or f"context {client.get('DOCKER_CONTEXT') or 'default'}"
    try:
        if "DOCKER_HOST" not in client:
            client["DOCKER_HOST"] = _context_host(client)
            client.pop("DOCKER_CONTEXT", None)
        return connect_engine(client)
    except EngineError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return f"{address}: {lines[-1] if lines else 'no answer'}"


def _context_host(client: Mapping[str, str]) -> str:
    """Return the address of the current context, for tools that read only ``DOCKER_HOST``."""
    command = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    done = run_docker(command, {**os.environ, **client}, check=True, text=None, timeout=ANSWER_TIMEOUT)
    return done.stdout.strip()
