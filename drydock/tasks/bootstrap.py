"""Bootstraps nox: creates a virtual environment with it, and runs the noxfile there.

Uses the standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from drydock import ROOT

#: The packages of the environment, at the versions of requirements.txt.
TOOLS = ("nox", "uv")


def enter_nox(arguments: list[str]) -> None:
    """Replace this process with ``nox ARGUMENTS``, in an environment that is created when needed."""
    if sys.version_info < (3, 11):  # noqa: UP036 (an older Python is to get this message instead of a traceback)
        sys.exit(f"drydock: Python 3.11 or later is needed; this is {sys.version.split()[0]}")
    home = ROOT / ".nox" / "bootstrap"
    python = home / "bin" / "python"
    stamp = home / "pins"
    pins = _read_pins()
    if not (python.exists() and stamp.is_file() and stamp.read_text() == " ".join(pins)):
        print(f"drydock: creating {home} with {', '.join(pins)}", flush=True)
        _create_environment(home, python, pins)
        stamp.write_text(" ".join(pins))
    os.environ["PATH"] = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.execv(python, [str(python), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), *arguments])


def _read_pins() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return [pin[0] for tool in TOOLS if (pin := re.search(rf"^{tool}==[\w.]+", lines, re.MULTILINE))]


def _create_environment(home: Path, python: Path, pins: list[str]) -> None:
    if importlib.util.find_spec("ensurepip") is None:  # Debian and Ubuntu package it separately
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        sys.exit(f"drydock: this Python can't create virtual environments; run: sudo apt-get install {package}")
    venv.create(home, clear=True, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"drydock: pip could not install {' '.join(pins)} from PyPI; its message is above")
