"""``python -m drydock status|start|stop|remove``: the engine by hand. ``nox -s engine`` calls it."""

from __future__ import annotations

import argparse
import sys

from drydock import private
from drydock.engine import Engine, current, find, say
from drydock.errors import DrydockError
from drydock.kinds import KINDS


def main(arguments: list[str] | None = None) -> int:
    """Do what `arguments` ask for and return the exit status."""
    parser = argparse.ArgumentParser(prog="nox -s engine --", description="The engine that examples run on.")
    parser.add_argument("action", choices=("status", "start", "stop", "remove"), nargs="?", default="status")
    parser.add_argument("kind", choices=("", *KINDS), nargs="?", default="", help="for start: a private engine")
    given = parser.parse_args(arguments)
    try:
        return _start(given.kind) if given.action == "start" else _ACTIONS[given.action]()
    except DrydockError as error:
        say(str(error))
        return 1


def _status() -> int:
    found = private.running() or find()
    say(str(found) if isinstance(found, Engine) else f"no engine answers ({found})")
    return 0 if isinstance(found, Engine) else 1


def _start(kind: str) -> int:
    say(str(private.start(kind) if kind else current()))
    return 0


def _stop() -> int:
    private.stop()
    return 0


def _remove() -> int:
    private.remove()
    return 0


_ACTIONS = {"status": _status, "stop": _stop, "remove": _remove}

if __name__ == "__main__":
    sys.exit(main())
