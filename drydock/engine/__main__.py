"""``python -m drydock status|start|stop|remove``: the engine by hand. ``nox -s engine`` calls it."""

from __future__ import annotations

import argparse
import sys

from drydock.engine.choose import find_engine, get_engine
from drydock.engine.client import Engine
from drydock.engine.private import daemon
from drydock.engine.private.specs import ENGINE_SPECS
from drydock.errors import DrydockError
from drydock.host import print_status


def main(arguments: list[str] | None = None) -> int:
    """Do what `arguments` ask for and return the exit status."""
    parser = argparse.ArgumentParser(prog="nox -s engine --", description="The engine that examples run on.")
    parser.add_argument("action", choices=("status", "start", "stop", "remove"), nargs="?", default="status")
    parser.add_argument("kind", choices=("", *ENGINE_SPECS), nargs="?", default="", help="for start: a private engine")
    given = parser.parse_args(arguments)
    try:
        return _start_engine(given.kind) if given.action == "start" else _ACTIONS[given.action]()
    except DrydockError as error:
        print_status(str(error))
        return 1


def _show_status() -> int:
    found = daemon.running_engine() or find_engine()
    print_status(str(found) if isinstance(found, Engine) else f"no engine answers ({found})")
    return 0 if isinstance(found, Engine) else 1


def _start_engine(kind: str) -> int:
    print_status(str(daemon.start_engine(kind) if kind else get_engine()))
    return 0


def _stop_engine() -> int:
    daemon.stop_engine()
    return 0


def _remove_engine() -> int:
    daemon.remove_engine()
    return 0


_ACTIONS = {"status": _show_status, "stop": _stop_engine, "remove": _remove_engine}

if __name__ == "__main__":
    sys.exit(main())
