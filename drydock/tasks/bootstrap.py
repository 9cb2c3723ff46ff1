"""The way in for a machine that has Python and nothing else: makes an environment with nox and goes on in it.

Only the standard library is at hand here.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from drydock import ROOT

#: What the environment holds, at the versions of requirements.txt.
TOOLS = ("nox", "uv")


def enter_nox(arguments: list[str]) -> None:
    """Go on as ``nox ARGUMENTS`` in an environment that has nox, made first if need be. Does not return."""
    if sys.version_info < (3, 11):  # noqa: UP036 (it is here to say so to an older Python)
        sys.exit(f"drydock: Python 3.11 or later is needed, and this is {sys.version.split()[0]}")
    home = ROOT / ".nox" / "door"
    python = home / "bin" / "python"
    pins = _pins()
    stamp = home / "pins"
    if not (python.exists() and stamp.is_file() and stamp.read_text() == " ".join(pins)):
        print(f"drydock: making {home} with {', '.join(pins)}", flush=True)
        _make(home, python, pins)
        stamp.write_text(" ".join(pins))
    os.environ["PATH"] = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.execv(python, [str(python), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), *arguments])


def _pins() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return [found[0] for tool in TOOLS if (found := re.search(rf"^{tool}==[\w.]+", lines, re.MULTILINE))]


def _make(home: Path, python: Path, pins: list[str]) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        _install_ensurepip()
    venv.create(home, clear=True, with_pip=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins], check=False
    )
    if done.returncode:
        sys.exit(f"drydock: pip could not install {' '.join(pins)} from PyPI; its message stands above")


def _install_ensurepip() -> None:
    """Debian and Ubuntu keep the standard library's ensurepip in a package of its own."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"drydock: this Python cannot make environments; run: sudo apt-get install {package}")
    print(
        f"drydock: installing {package} (Debian's packages), without which Python cannot make environments", flush=True
    )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=env, check=False)
    command = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", package]
    if subprocess.run(command, env=env, check=False).returncode:
        sys.exit(f"drydock: {' '.join(command)} failed; its message stands above")
    # The modules of this very process were looked up before the package came: begin again.
    os.execv(sys.executable, [sys.executable, *sys.argv])
