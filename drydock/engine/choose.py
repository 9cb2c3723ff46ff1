"""Chooses the engine: the one that the user asked for, the one that answers, else the private engine."""

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
No container engine answers, and Drydock cannot start one of its own: {reason}.
  tried: {tried}
Three ways out:
  1. install Docker Engine or Docker Desktop, start it, and run the command again;
  2. point DOCKER_HOST (or DOCKER_CONTEXT) at an engine that runs elsewhere;
  3. run the command as root on Debian or Ubuntu: Drydock then starts a private engine of its own."""


@functools.cache
def get_engine(name: str = "") -> Engine:
    """Return the engine to use, starting the private one when no other answers.

    :param name: the kind of private engine to use, whatever else answers; a key of ``ENGINE_SPECS``.
    :raises EngineError: there is none and none can be started; the message says what was tried and the ways out.
    """
    if name:
        obstacle = daemon.why_unavailable()
        if obstacle:
            raise EngineError(f"{name} cannot be started: {obstacle}")
        return daemon.start_engine(name)
    running = daemon.running_engine()
    asked_for = os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")
    if running is not None and asked_for in (None, running.client["DOCKER_HOST"]):
        return running
    found = find_engine()
    if isinstance(found, Engine):
        return found
    print_status(f"no engine answers ({found})")
    obstacle = daemon.why_unavailable()
    if obstacle:
        raise EngineError(NO_ENGINE.format(reason=obstacle, tried=found))
    return daemon.start_engine()


def find_engine() -> Engine | str:
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
        return connect_engine(client)
    except EngineError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return f"{asked}: {lines[-1] if lines else 'no answer'}"


def _context_host(client: Mapping[str, str]) -> str:
    """Resolve the context once, so that tools which know only ``DOCKER_HOST`` meet the same engine."""
    endpoint = "{{.Endpoints.docker.Host}}"
    command = ["docker", "context", "inspect", "--format", endpoint]
    done = run_docker(command, {**os.environ, **client}, check=True, text=None, timeout=ANSWER_TIMEOUT)
    return done.stdout.strip()
