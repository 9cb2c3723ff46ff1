"""Checks the examples' Dockerfiles and Compose files without running them: hadolint, BuildKit's checks, Compose, and
whether their base images are supported.

A ``Dockerfile.<fault>`` is bad on purpose. Its example's test says how, so it is not checked here.
"""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from drydock import ROOT
from drydock.engine.choose import get_engine
from drydock.engine.client import Engine
from drydock.errors import DrydockError
from drydock.host import print_status
from drydock.model import example as examples, versions
from drydock.model.example import Example


def lint_example(engine: Engine, example: Example) -> Iterator[str]:
    """Yield what is wrong with the example's Dockerfile and Compose file, as reports that name the file."""
    for name in ("Dockerfile", "compose.yaml"):
        example.path(name)
    yield from _complaint(f"examples/{example.slug}/Dockerfile", ["hadolint", str(example.root / "Dockerfile")])
    check = ["build", "--check", "--quiet", str(example.root)]
    yield from _complaint(f"examples/{example.slug}/Dockerfile", [engine.docker, *check], engine)
    config = ["compose", "--project-directory", str(example.root), "config", "--quiet"]
    yield from _complaint(f"examples/{example.slug}/compose.yaml", [engine.docker, *config], engine, silent=True)


def _complaint(place: str, command: list[str], engine: Engine | None = None, *, silent: bool = False) -> Iterator[str]:
    """Yield what the command says about `place`: when it fails, or when it is to be silent and is not."""
    env = engine.environment if engine else None
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    said = (done.stdout + done.stderr).strip()
    if done.returncode or (silent and said):
        yield f"{place}: {' '.join(command[:3])}\n{said}"


def main() -> int:
    """Check every example and return the exit status."""
    try:
        engine = get_engine()
        print_status(f"checking examples with {engine}")
        known = examples.load_examples().values()
        with ThreadPoolExecutor() as pool:
            found = [line for each in pool.map(lambda one: list(lint_example(engine, one)), known) for line in each]
        wrong, soon = versions.check_versions(
            versions.load_versions(), known, datetime.datetime.now(datetime.UTC).date()
        )
        found += wrong
        for line in soon:
            print_status(f"notice: {line}")
        found += _complaint("base-images/Dockerfile", ["hadolint", str(ROOT / "base-images" / "Dockerfile")])
    except DrydockError as error:
        found = [str(error)]
    for line in found:
        print_status(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
