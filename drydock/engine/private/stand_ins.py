"""Stand-ins: local rebuilds of official base images, for a private engine that can't reach Docker Hub.

``base-images/`` holds the recipe; its ``docker-bake.json`` lists the images. They are pushed to the local registry that
the private engine uses as its mirror, so ``FROM python:3.13-slim`` finds them. Don't call this for a user's engine.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drydock import ROOT, store
from drydock.engine.client import STAND_IN_LABEL, Engine
from drydock.engine.private import indexes
from drydock.errors import EngineError, MalformedError
from drydock.host import print_status

RECIPE = ROOT / "base-images"
#: The certificate authorities that this host trusts, such as that of a company's TLS proxy.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
#: Lines of a failed command's output in its error.
TAIL_LINES = 25


@dataclass(frozen=True)
class StandIn:
    """One image of the recipe.

    :ivar target: the stage of ``base-images/Dockerfile`` that builds it.
    :ivar reference: the official image's reference.
    :ivar package: the Debian package that determines its version, or "".
    :ivar version: its version if there is no such package.
    """

    target: str
    reference: str
    package: str = ""
    version: str = ""

    @property
    def on_docker_hub(self) -> bool:
        """Whether a mirror of Docker Hub serves it. The engine pulls the others under the mirror's name."""
        return "/" not in self.reference

    @property
    def mirror_name(self) -> str:
        """Its name and tag in the mirror."""
        return f"library/{self.reference}" if self.on_docker_hub else self.reference


@dataclass(frozen=True)
class _Stamp:
    """The record of a complete build: the recipe's digest, and reference -> digest of its manifest."""

    recipe: str
    digests: Mapping[str, str]


@functools.cache
def list_stand_ins() -> tuple[StandIn, ...]:
    """Return the images that ``docker-bake.json`` lists.

    :raises MalformedError: the file can't be read, or isn't as it should be.
    """
    path = RECIPE / "docker-bake.json"
    table = store.load_json(dict[str, Any], path, "base-images/docker-bake.json")
    try:
        rows = table["variable"]["STAND_INS"]["default"]
        return store.build(tuple[StandIn, ...], rows, "variable.STAND_INS.default")
    except (KeyError, TypeError):
        raise MalformedError("base-images/docker-bake.json", 0, "it has no variable.STAND_INS.default") from None
    except ValueError as error:
        raise MalformedError("base-images/docker-bake.json", 0, str(error)) from None


def list_references() -> list[str]:
    """Return the references of the official images that have a stand-in."""
    return [stand_in.reference for stand_in in list_stand_ins()]


def recipe_digest() -> str:
    """Return the sha256 of everything that determines the stand-ins: recipe, certificate authorities, architecture."""
    digest = hashlib.sha256(platform.machine().encode())
    files = sorted(path for path in RECIPE.rglob("*") if path.is_file() and path.name != "README.md")
    for path in [*files, *([AUTHORITIES] if AUTHORITIES.exists() else [])]:
        content = path.read_bytes()
        name = path.relative_to(RECIPE).as_posix() if path in files else path.name
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def ensure_stand_ins(engine: Engine, storage: Path, *, varied: bool = False) -> None:
    """Build and push the stand-ins of this recipe, unless the private engine's mirror has them all.

    A complete build leaves a stamp; without it, the next call builds again. The engine's copies of older stand-ins are
    replaced too. Only one call at a time may use the same `storage`.

    :param engine: a private engine with a mirror.
    :param storage: a folder for the stamp and the files of a build.
    :param varied: push the variations of the stand-ins under their names; see ``base-images/variations.Dockerfile``.
    :raises EngineError: a build's requirement is missing, or a command failed.
    """
    recipe = recipe_digest()
    stamp = storage / "stand-ins.json"
    if not _is_complete(engine.mirror, stamp, recipe):
        _build_stand_ins(engine, recipe, storage, "varied" if varied else "stand-ins")
        for image in list_stand_ins():
            indexes.push_index(engine.mirror, *image.mirror_name.rpartition(":")[::2])
        _retag_images(engine)
        digests = {image.reference: _manifest_digest(engine.mirror, image) for image in list_stand_ins()}
        _write_stamp(stamp, recipe, digests)
    _tag_unmirrored(engine, recipe)


def _is_complete(mirror: str, stamp: Path, recipe: str) -> bool:
    """Return whether the registry has every image under the digest that the stamp of this recipe's build records."""
    try:
        build = store.load_json(_Stamp, stamp, stamp)
    except MalformedError:
        return False
    if build.recipe != recipe:
        return False
    return all(_manifest_digest(mirror, image) == build.digests.get(image.reference) for image in list_stand_ins())


def _write_stamp(stamp: Path, recipe: str, digests: Mapping[str, str]) -> None:
    missing = [reference for reference, digest in digests.items() if not digest]
    if missing:
        raise EngineError(f"the local registry lacks images that were pushed to it: {', '.join(missing)}")
    store.save_json(stamp, _Stamp(recipe, digests))


def _manifest_digest(mirror: str, stand_in: StandIn) -> str:
    """Return the digest of the stand-in's manifest in the registry, or "" if it isn't there."""
    name, _, tag = stand_in.mirror_name.rpartition(":")
    return indexes.find_digest(mirror, name, tag)


def _build_stand_ins(engine: Engine, recipe: str, storage: Path, group: str) -> None:
    """Make Debian's root file systems, build the stand-ins or their variations on them, and push these."""
    settings = {"MIRROR": engine.mirror, "RECIPE": recipe, "GROUP": group, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    env = {**engine.environment, **settings}
    if not shutil.which("mmdebstrap", path=env.get("PATH")):
        raise EngineError("stand-ins are built from Debian's packages, and there is no mmdebstrap: install mmdebstrap")
    if not AUTHORITIES.exists():
        raise EngineError(f"there is no {AUTHORITIES}: install ca-certificates")
    with _build_folder(storage) as folder:
        print_status("building the stand-ins: root file systems of Debian 13 and 12 from Debian's packages")
        packages = sorted({image.package for image in list_stand_ins()} - {"", "debian"})
        _run_command(["sh", "rootfs.sh", ".", *packages], env, folder)
        _write_versions(folder)
        print_status(f"building {len(list_stand_ins())} stand-ins from packages of Debian and PyPI")
        _run_command([engine.docker, "buildx", "bake", "--push", "--progress=plain", group], env, folder)


@contextmanager
def _build_folder(storage: Path) -> Iterator[Path]:
    """Yield a copy of the recipe, with the host's authorities, to build in. It replaces that of an earlier build."""
    folder = storage / "stand-ins.build"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        shutil.copytree(RECIPE, folder)
        shutil.copyfile(AUTHORITIES, folder / AUTHORITIES.name)
        # File modes end up in the images, so they must not depend on the umask of the checkout.
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_versions(folder: Path) -> None:
    """Write each target's version for bake: that of its Debian package, or the recipe's."""
    lines = (folder / "versions").read_text(encoding="utf-8").splitlines()
    packaged = dict(line.split() for line in lines)
    versions = {image.target: image.version or upstream_version(packaged[image.package]) for image in list_stand_ins()}
    override = {"variable": {"VERSIONS": {"default": versions}}}
    (folder / "docker-bake.override.json").write_text(json.dumps(override), encoding="utf-8")


def upstream_version(version: str) -> str:
    """Return the upstream part of a Debian version: 8.0.2 of ``5:8.0.2-3+deb13u3``, 2.8.3 of ``2.8.3+ds1-2``."""
    return re.split(r"[+~-]", version.partition(":")[2] or version)[0]


def _retag_images(engine: Engine) -> None:
    """Move the engine's tags from older stand-ins to the new ones, and remove the tags that the build left."""
    older = _list_tags(engine, STAND_IN_LABEL)
    pushed = {image.reference: f"{engine.mirror}/{image.mirror_name}" for image in list_stand_ins()}
    for reference in older & pushed.keys():
        engine.run("tag", pushed[reference], reference)
    engine.run("image", "rm", *pushed.values())


def _tag_unmirrored(engine: Engine, recipe: str) -> None:
    """Pull the stand-ins that a mirror of Docker Hub can't serve, and tag them with their official references."""
    current = _list_tags(engine, f"{STAND_IN_LABEL}.recipe={recipe}")
    for image in list_stand_ins():
        if not image.on_docker_hub and image.reference not in current:
            source = f"{engine.mirror}/{image.mirror_name}"
            engine.run("pull", "--quiet", source)
            engine.run("tag", source, image.reference)
            engine.run("image", "rm", source)


def _list_tags(engine: Engine, label: str) -> set[str]:
    listed = engine.run("image", "ls", "--filter", f"label={label}", "--format", "{{.Repository}}:{{.Tag}}")
    return set(listed.stdout.split())


def _run_command(command: Sequence[str], env: Mapping[str, str], folder: Path | None = None) -> str:
    """Run a command and return its output, stderr included."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-TAIL_LINES:])
        raise EngineError(f"{' '.join(command[:4])} ... failed, exit {done.returncode}; its output ends:\n{tail}")
    return done.stdout
