"""``python -m drydock.engine status|start|stop|remove``, which ``nox -s engine`` calls."""

from __future__ import annotations

import argparse
import shlex
import sys

from drydock.engine.choose import find_engine, get_engine
from drydock.engine.client import Engine
from drydock.engine.private import daemon
from drydock.engine.private.specs import ENGINE_SPECS
from drydock.errors import DrydockError
from drydock.host import print_status


def main(arguments: list[str] | None = None) -> int:
    """Run the action that `arguments` name and return the exit status."""
    parser = argparse.ArgumentParser(prog="nox -s engine --", description="Show, start, stop, or remove the engine.")
    parser.add_argument("action", choices=("status", "start", "stop", "remove"), nargs="?", default="status")
    parser.add_argument("engine", choices=tuple(ENGINE_SPECS), nargs="?", help="for start: this private engine")
    parser.add_argument("--engine-programs", metavar="FOLDER", default="", help="for start: Docker's programs to use")
    options = parser.parse_args(arguments)
    if (options.engine or options.engine_programs) and options.action != "start":
        parser.error(f"{options.action} takes no engine")
    if options.engine and options.engine_programs:
        parser.error("give the name of an engine or --engine-programs, not both")
    try:
        if options.action == "status":
            return _show_status()
        if options.action == "start":
            _show_engine(get_engine(options.engine or "", options.engine_programs))
        elif options.action == "stop":
            daemon.stop_engine()
        else:
            daemon.remove_engine()
    except DrydockError as error:
        print_status(str(error))
        return 1
    return 0


def _show_status() -> int:
    engine = find_engine()
    if not isinstance(engine, Engine):
        print_status(f"no engine answers ({engine})")
        return 1
    _show_engine(engine)
    return 0


def _show_engine(engine: Engine) -> None:
    """Print the engine and the lines that point a shell's ``docker`` at it; a private one has a client, too."""
    print_status(str(engine))
    print_status("to use it in your shell:")
    for variable in ("DOCKER_HOST", "DOCKER_CONFIG") if engine.private else ("DOCKER_HOST",):
        print(f"export {variable}={shlex.quote(engine.client[variable])}")
    if engine.private:
        print('export PATH="$DOCKER_CONFIG:$PATH"', flush=True)


if __name__ == "__main__":
    sys.exit(main())
