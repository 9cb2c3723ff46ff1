"""Copies an example and its tests to another folder, and runs Python modules there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from drydock.model.example import Example
from drydock.model.expectations import expectations_file

#: Files and folders that an example's tests need, besides the example and its test file.
NEEDED_FILES: tuple[str, ...] = ("conftest.py", "pyproject.toml", "drydock", "base-images", "requirements.txt")
NEEDED_FILES += ("tests/conftest.py", "tests/test_conventions.py", "tests/test_security.py", "tests/small_site.py")
NEEDED_FILES += ("tests/examples/test_transcripts.py",)


def copy_tests(example: Example, top: Path, folder: Path) -> Path:
    """Copy an example, its tests, and what they need from the repository `top` to `folder`.

    :returns: the example's folder in the copy.
    """
    for name in (*NEEDED_FILES, f"tests/examples/{example.test.name}", str(expectations_file(example.slug))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (top / name).is_dir():
            shutil.copytree(top / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (top / name).is_file():
            shutil.copy(top / name, folder / name)
    return example.copy_to(folder / "examples")


def start_module(
    folder: Path, module: str, *arguments: str, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.STDOUT
) -> subprocess.Popen[str]:
    """Start ``python -m MODULE`` in a copy that :func:`copy_tests` made.

    Its tests are a separate run: within the run of this process, they would wait for it.
    """
    env = {name: value for name, value in os.environ.items() if name not in ("DRYDOCK_RUN", "DRYDOCK_PASSED")}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**env, "PYTHONPATH": str(folder)},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        # Ctrl-C reaches only this process, which then interrupts the tests itself.
        start_new_session=True,
    )
