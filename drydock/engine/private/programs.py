"""A private engine's programs from a folder, such as Docker's static binaries, in place of Debian's packages."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from drydock.errors import EngineError

DAEMON = "dockerd"
#: The programs to take from the folder, or from its subfolder ``cli-plugins``. Debian has those that it lacks.
PROGRAMS = (
    *(DAEMON, "docker", "docker-proxy", "docker-init", "containerd", "containerd-shim-runc-v2", "runc"),
    *("docker-buildx", "docker-compose"),
)


def copy_programs(folder: Path, home: Path) -> Path:
    """Copy the engine's programs from `folder` into a folder in `home`, and return that folder.

    A copy is used because `folder` may be out of sight in the engine's mount namespace. Unchanged programs are not
    copied again.

    :raises EngineError: `folder` has no dockerd, or a program can't be read or isn't executable.
    """
    paths = [path for parent in (folder, folder / "cli-plugins") for path in _list_programs(parent)]
    if DAEMON not in [path.name for path in paths]:
        raise EngineError(f"{folder}: no {DAEMON} in this folder; unpack Docker's static binaries there")
    blocked = [path for path in paths if not path.stat().st_mode & 0o111]
    if blocked:
        raise EngineError(f"{blocked[0]}: not executable; run: chmod +x {blocked[0]}")
    # Programs are large: their size and time of change stand for their content.
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    copied = home / f"programs-{hashlib.sha256(repr(states).encode()).hexdigest()[:12]}"
    if not copied.is_dir():
        incomplete = home / "programs.new"
        shutil.rmtree(incomplete, ignore_errors=True)
        incomplete.mkdir(parents=True)
        for path in paths:
            shutil.copy2(path, incomplete)
        incomplete.rename(copied)
    return copied


def _list_programs(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name in PROGRAMS and path.is_file())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EngineError(f"{folder}: {error.strerror}; give a folder with Docker's programs") from None


def read_version(printed: str, folder: Path) -> str:
    """Return the version, such as 29.7.2, in what ``dockerd --version`` printed.

    :raises EngineError: it can't run on this machine, or its version isn't readable.
    """
    version = re.match(r"Docker version v?(\d+\.\d+\.\d+)", printed)
    if version:
        return version[1]
    last = printed.strip().splitlines()[-1] if printed.strip() else "it printed nothing"
    architecture = "; it is for another architecture" if "Exec format error" in printed else ""
    raise EngineError(f"{folder}/{DAEMON} --version doesn't print a version of Docker{architecture}: {last}")
