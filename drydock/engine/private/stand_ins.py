"""The private engine's base images: stand-ins for the official ones, for when Docker Hub is out of reach.

``base-images/`` holds the recipe, and its ``docker-bake.json`` the one list of what is built. The images are kept in
the local registry that the private engine has as its mirror, so ``FROM python:3.13-slim`` finds them unchanged. Never
call this for a user's own engine.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT
from drydock.engine.client import STAND_IN_LABEL
from drydock.errors import EngineError

RECIPE = ROOT / "base-images"
#: The authorities that this host trusts; a company's own is among them where its proxy inspects TLS.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
#: How many lines of a failed command its error shows.
TAIL_LINES = 25
#: What a registry is asked for: with none of these it would convert the manifest, and so change its digest.
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
)


@dataclass(frozen=True)
class StandIn:
    """One image of the recipe.

    :ivar target: the stage of ``base-images/Dockerfile`` that builds it.
    :ivar reference: the official reference it stands in for.
    :ivar package: the Debian package whose version it has, or "".
    :ivar version: the version it has, where no Debian package says.
    """

    target: str
    reference: str
    package: str = ""
    version: str = ""

    @property
    def mirrored(self) -> bool:
        """Whether a mirror of Docker Hub serves it; the engine pulls the others by the mirror's own name."""
        return "/" not in self.reference

    @property
    def name(self) -> str:
        """Its name and tag in the mirror."""
        return f"library/{self.reference}" if self.mirrored else self.reference


def _read_recipe() -> tuple[StandIn, ...]:
    table = json.loads((RECIPE / "docker-bake.json").read_text(encoding="utf-8"))
    return tuple(StandIn(**row) for row in table["variable"]["STAND_INS"]["default"])


STAND_INS = _read_recipe()
#: The official references for which there is a stand-in.
REFERENCES = tuple(stand_in.reference for stand_in in STAND_INS)


def recipe_digest() -> str:
    """Return the sha256 of what decides what the stand-ins are: the recipe, the authorities, the machine."""
    digest = hashlib.sha256(platform.machine().encode())
    files = sorted(path for path in RECIPE.rglob("*") if path.is_file() and path.name != "README.md")
    for path in [*files, *([AUTHORITIES] if AUTHORITIES.exists() else [])]:
        content = path.read_bytes()
        name = path.relative_to(RECIPE).as_posix() if path in files else path.name
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def ensure_stand_ins(
    docker: Sequence[str], env: Mapping[str, str], mirror: str, storage: Path, say: Callable[[str], None]
) -> str:
    """Make sure that the private engine's mirror holds every stand-in of this recipe, building them if it does not.

    A build that is cut off leaves no stamp, so the next call builds again. When a build replaces older stand-ins, the
    engine's copies of those are replaced as well. Only one call at a time may use the same `storage`.

    :param docker: the engine's client, as the first words of a command.
    :param env: the whole environment of the client.
    :param mirror: ``host:port`` of the registry, plain http, without a login.
    :param storage: a folder for the stamp and for the files of a build; the registry keeps its own elsewhere.
    :param say: is told what takes long.
    :returns: the recipe's digest, which every stand-in carries as a label.
    :raises EngineError: something that a build needs is missing, or a command failed.
    """
    recipe = recipe_digest()
    stamp = storage / "stand-ins.json"
    if not _is_complete(mirror, stamp, recipe):
        settings = {"MIRROR": mirror, "RECIPE": recipe, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        _build_stand_ins(docker, {**env, **settings}, storage, say)
        _retag_images(docker, env, mirror)
        _write_stamp(stamp, recipe, {each.reference: _manifest_digest(mirror, each) for each in STAND_INS})
    _tag_unmirrored(docker, env, mirror, recipe)
    return recipe


def _is_complete(mirror: str, stamp: Path, recipe: str) -> bool:
    """Whether the registry still holds, image for image, what the stamp says a build of this recipe put there."""
    try:
        said = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if said.get("recipe") != recipe:
        return False
    return all(_manifest_digest(mirror, each) == said["digests"].get(each.reference) for each in STAND_INS)


def _write_stamp(stamp: Path, recipe: str, digests: Mapping[str, str]) -> None:
    missing = [reference for reference, digest in digests.items() if not digest]
    if missing:
        raise EngineError(f"the local registry does not have what was pushed to it: {', '.join(missing)}")
    fresh = stamp.with_suffix(".new")
    fresh.write_text(json.dumps({"recipe": recipe, "digests": digests}, indent=2) + "\n", encoding="utf-8")
    fresh.replace(stamp)


def _manifest_digest(mirror: str, stand_in: StandIn) -> str:
    """Return the digest of the stand-in's manifest in the registry, or "" if it has none."""
    name, _, tag = stand_in.name.rpartition(":")
    connection = http.client.HTTPConnection(mirror, timeout=10)
    try:
        connection.request("HEAD", f"/v2/{name}/manifests/{tag}", headers={"Accept": MANIFESTS})
        answer = connection.getresponse()
        return answer.getheader("Docker-Content-Digest", "") if answer.status == 200 else ""
    except (OSError, http.client.HTTPException) as error:
        raise EngineError(f"the local registry at {mirror} does not answer: {error}") from error
    finally:
        connection.close()


def _build_stand_ins(docker: Sequence[str], env: Mapping[str, str], storage: Path, say: Callable[[str], None]) -> None:
    """Make the root file system, build every stand-in on it and push them all."""
    if not shutil.which("mmdebstrap", path=env.get("PATH")):
        raise EngineError("base images are made from Debian's packages: install mmdebstrap")
    if not AUTHORITIES.exists():
        raise EngineError(f"there is no {AUTHORITIES}: install ca-certificates")
    with _build_folder(storage) as folder:
        say("building the base images: root file system of debian:trixie-slim from Debian's packages")
        packages = sorted({each.package for each in STAND_INS} - {"", "debian"})
        _run_command(["sh", "rootfs.sh", ".", *packages], env, folder)
        _write_versions(folder)
        say(f"building the base images: {len(STAND_INS)} stand-ins from packages of Debian and PyPI")
        _run_command([*docker, "buildx", "bake", "--push", "--progress=plain"], env, folder)


@contextmanager
def _build_folder(storage: Path) -> Iterator[Path]:
    """Yield a copy of the recipe, with the host's authorities, to build in. What an earlier build left goes first."""
    folder = storage / "stand-ins.build"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        shutil.copytree(RECIPE, folder)
        shutil.copyfile(AUTHORITIES, folder / AUTHORITIES.name)
        # The modes end up in the images; they must not depend on the umask of whoever checked the recipe out.
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_versions(folder: Path) -> None:
    """Tell bake what version each target has: Debian's where a package says, else the recipe's."""
    lines = (folder / "versions").read_text(encoding="utf-8").splitlines()
    packaged = dict(line.split() for line in lines)
    versions = {each.target: each.version or upstream_version(packaged[each.package]) for each in STAND_INS}
    override = {"variable": {"VERSIONS": {"default": versions}}}
    (folder / "docker-bake.override.json").write_text(json.dumps(override), encoding="utf-8")


def upstream_version(version: str) -> str:
    """Return the upstream part of a Debian version: ``5:8.0.2-3+deb13u3`` is 8.0.2, ``2.8.3+ds1-2`` is 2.8.3."""
    return re.split(r"[+~-]", version.partition(":")[2] or version)[0]


def _retag_images(docker: Sequence[str], env: Mapping[str, str], mirror: str) -> None:
    """Drop the names that the build left on the engine; what the engine had of older stand-ins becomes the new ones."""
    listed = _run_command(
        [*docker, "image", "ls", "--filter", f"label={STAND_IN_LABEL}", "--format", "{{.Repository}}:{{.Tag}}"], env
    )
    older = set(listed.split())
    for each in STAND_INS:
        if each.reference in older:
            _run_command([*docker, "tag", f"{mirror}/{each.name}", each.reference], env)
    _run_command([*docker, "image", "rm", *(f"{mirror}/{each.name}" for each in STAND_INS)], env)


def _tag_unmirrored(docker: Sequence[str], env: Mapping[str, str], mirror: str, recipe: str) -> None:
    """Give the engine, under their official names, the stand-ins that no mirror of Docker Hub can serve."""
    label = f"label={STAND_IN_LABEL}.recipe={recipe}"
    listed = _run_command([*docker, "image", "ls", "--filter", label, "--format", "{{.Repository}}:{{.Tag}}"], env)
    for each in STAND_INS:
        if not each.mirrored and each.reference not in listed.split():
            source = f"{mirror}/{each.name}"
            _run_command([*docker, "pull", "--quiet", source], env)
            _run_command([*docker, "tag", source, each.reference], env)
            _run_command([*docker, "image", "rm", source], env)


def _run_command(command: Sequence[str], env: Mapping[str, str], folder: Path | None = None) -> str:
    """Run a command and return what it printed; its errors go with its output."""
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
        raise EngineError(f"{' '.join(command[:4])} ... failed with status {done.returncode}:\n{tail}")
    return done.stdout
