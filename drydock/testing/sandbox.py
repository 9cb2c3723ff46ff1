"""Copies the tests of one example into a folder of their own, and runs pytest there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from drydock.model.example import Example

#: What the tests need beside the example and its test.
NEEDED: tuple[str, ...] = ("conftest.py", "pyproject.toml", "drydock", "base-images", "requirements.txt")
NEEDED += ("tests/conftest.py", "tests/test_conventions.py", "tests/test_security.py", "tests/small_site.py")
NEEDED += ("tests/examples/differences.toml", "tests/examples/hardening.toml", "tests/examples/conventions.toml")
NEEDED += ("tests/examples/test_transcripts.py",)


def copy_tests(example: Example, top: Path, folder: Path) -> Path:
    """Copy what the tests of the example need from the repository `top` to `folder`, and return the example's place."""
    for name in (*NEEDED, f"tests/examples/{example.test.name}"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (top / name).is_dir():
            shutil.copytree(top / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (top / name).is_file():
            shutil.copy(top / name, folder / name)
    return example.copy_to(folder / "examples")


def start_module(
    folder: Path, module: str, *arguments: str, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.STDOUT
) -> subprocess.Popen[str]:
    """Start ``python -m MODULE`` in such a copy. Its tests are a run of their own: within another, they would wait.

    What they say is of a fault, or of a reader's files, and none of it is kept in the history.
    """
    env = {name: value for name, value in os.environ.items() if name not in ("DRYDOCK_RUN", "DRYDOCK_PROVEN")}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**env, "PYTHONPATH": str(folder)},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        # Ctrl-C is for whoever started it, who then ends the tests in their turn.
        start_new_session=True,
    )
