"""The resources on an engine that belong to an example or to a run of the tests, and their removal.

A name says what a resource belongs to. Transcripts use the names that their reader would: ``<slug>`` or ``<slug>-...``.
Tests use ``<slug>-t<run>-...`` with the run's eight hexadecimal digits, so that runs don't interfere. Each run holds a
lock file while it lives. Resources of a run whose lock file is free are leftovers, and are removed.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.utils

from drydock import host
from drydock.engine.client import Engine
from drydock.errors import EngineError

RUN_SUFFIX = re.compile(r"-t([0-9a-f]{8})(?:$|[-_:.])")
PROJECT_LABEL = "com.docker.compose.project"
#: In the order in which they can be removed.
RESOURCE_KINDS = ("container", "network", "volume", "image")
#: How often :func:`list_images` asks.
LIST_TRIES = 5
#: What ends a run on an engine without room.
DISK_FULL = "the engine's disk is full; make room with 'docker system prune', or enlarge it, and start again"
#: Seconds for an answer of the engine's API.
API_TIMEOUT = 60


@dataclass(frozen=True, order=True)
class Resource:
    """A container, network, volume, or image tag on an engine.

    :ivar kind: one of `RESOURCE_KINDS`.
    :ivar name: its name, or an image's tag.
    :ivar key: the ID or name by which the engine removes it.
    """

    kind: str
    name: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def run(self) -> str | None:
        """The ID of the run whose tests made it, or None."""
        suffix = RUN_SUFFIX.search(self.name)
        return suffix[1] if suffix else None

    def belongs_to(self, slug: str) -> bool:
        """Return whether a transcript of the example `slug`, or its reader, made it."""
        return self.run is None and re.match(re.escape(slug) + r"(?:$|[-_:])", self.name) is not None


def api_client(engine: Engine) -> docker.APIClient:
    """Return a client of the engine's API; the caller closes it."""
    variables = tuple(sorted(engine.client.items()))
    return docker.APIClient(**_client_options(variables), version=_api_version(variables))


def _client_options(variables: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return the address and, if the variables ask for it, the TLS settings."""
    return {"timeout": API_TIMEOUT, **docker.utils.kwargs_from_env(dict(variables))}


@functools.cache
def _api_version(variables: tuple[tuple[str, str], ...]) -> str:
    """Negotiate the API version once per engine: it takes as long as most requests."""
    with contextlib.closing(docker.APIClient(**_client_options(variables), version="auto")) as client:
        return str(client.api_version)


def list_resources(engine: Engine, patterns: Sequence[str] = ()) -> list[Resource]:
    """Return the named resources on the engine, in the order of `RESOURCE_KINDS`.

    A container with a generated name is listed under its image's name.

    :param patterns: list only images whose name matches one of these, such as ``hello-*``; see :func:`list_images`.
    :raises EngineError: the engine doesn't answer.
    """
    # Podman compares such patterns with names that it writes out.
    filters = {"reference": [*patterns]} if patterns and engine.facts.get("name") != "Podman" else {}
    try:
        with contextlib.closing(api_client(engine)) as client:
            containers = [(_container_name(row), row["Id"]) for row in client.containers(all=True)]
            networks = [(_qualified_name(row, row["Name"]), row["Id"]) for row in client.networks()]
            volumes = [(_qualified_name(row, row["Name"]), row["Name"]) for row in client.volumes()["Volumes"] or ()]
            images = [(tag, tag) for image in list_images(client, **filters) for tag in image_tags(image)]
    except (OSError, docker.errors.DockerException) as error:
        raise EngineError(
            f"the engine at {engine.client['DOCKER_HOST']} doesn't answer: {error}; check it with: nox -s engine"
        ) from None
    named = zip(RESOURCE_KINDS, (containers, networks, volumes, images), strict=True)
    return [Resource(kind, name, key) for kind, rows in named for name, key in rows]


def list_images(client: docker.APIClient, **filters: object) -> list[dict[str, Any]]:
    """Return the engine's list of images.

    The containerd image store adds up the size of each listed image, which takes most of the time: filter by name.
    The containerd image store answers "not found" if an image is removed during the listing: ask again.
    """
    for _ in range(LIST_TRIES - 1):
        with contextlib.suppress(docker.errors.NotFound):
            return list(client.images(filters=filters))
    return list(client.images(filters=filters))


def name_patterns(slugs: Iterable[str]) -> list[str]:
    """Return the patterns of the names of images that belong to the examples `slugs`."""
    return [pattern for slug in slugs for pattern in (slug, f"{slug}-*", f"{slug}_*")]


def image_tags(image: dict[str, Any]) -> list[str]:
    """Return the tags of an image as Docker shortens them. Podman writes Docker Hub's name out."""
    return [tag.removeprefix("docker.io/library/") for tag in image["RepoTags"] or ()]


def _container_name(container: dict[str, Any]) -> str:
    name = _qualified_name(container, (container["Names"] or ["/"])[0].lstrip("/"))
    image = str(container["Image"])
    generated = re.fullmatch(r"[a-z]+_[a-z]+\d?", name)
    return f"{image}-{name}" if generated and not image.startswith("sha256:") else name


def _qualified_name(row: dict[str, Any], name: str) -> str:
    """Return `name`, with its Compose project's name in front if it lacks it."""
    project = (row.get("Labels") or {}).get(PROJECT_LABEL, "")
    return name if name.startswith(project) else f"{project}-{name}"


def remove_resources(engine: Engine, doomed: Iterable[Resource]) -> list[Resource]:
    """Remove `doomed`, containers by force and with their anonymous volumes. Return those that can't be removed."""
    failed = []
    with contextlib.closing(api_client(engine)) as client:
        for resource in sorted(doomed, key=lambda resource: RESOURCE_KINDS.index(resource.kind)):
            try:
                _remove_resource(client, resource)
            except docker.errors.NotFound:
                continue
            except (OSError, docker.errors.DockerException):
                failed.append(resource)
    return failed


def _remove_resource(client: docker.APIClient, resource: Resource) -> None:
    if resource.kind == "container":
        # Kill it first, or Podman waits for it to stop. It may have exited already.
        with contextlib.suppress(docker.errors.APIError):
            client.kill(resource.key)
        client.remove_container(resource.key, force=True, v=True)
    elif resource.kind == "network":
        client.remove_network(resource.key)
    elif resource.kind == "volume":
        client.remove_volume(resource.key)
    else:
        client.remove_image(resource.key, noprune=False)


def dangling_volumes(engine: Engine) -> set[str]:
    """Return the names of the anonymous volumes that no container uses."""
    with contextlib.closing(api_client(engine)) as client:
        volumes = client.volumes(filters={"dangling": True})["Volumes"] or ()
        return {volume["Name"] for volume in volumes if re.fullmatch(r"[0-9a-f]{64}", volume["Name"])}


def prune_images(engine: Engine, **filters: str) -> None:
    """Remove the dangling images that no container uses. The build cache stays.

    Does nothing on Podman, where dangling images are the build cache.

    :param filters: more filters of the engine, as ``label="key=value"``.
    """
    if engine.facts["name"] != "Podman":
        with contextlib.closing(api_client(engine)) as client:
            client.prune_images(filters={"dangling": True, **filters})


def is_disk_full(engine: Engine) -> bool:
    """Return whether the engine has no room for an image of a few megabytes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("probe"))
        random = tarfile.TarInfo("random")  # bytes that no file system compresses
        random.size = 4_000_000
        tar.addfile(random, io.BytesIO(os.urandom(random.size)))
    with contextlib.closing(api_client(engine)) as client:
        try:
            answer = client.import_image_from_data(archive.getvalue(), repository="drydock-probe")
            client.remove_image("drydock-probe")
        except docker.errors.APIError as error:
            answer = str(error)
    return "no space left on device" in answer


def other_run_active(own: Path) -> bool:
    """Return whether another run than that of the lock file `own` is active on this engine.

    If so, anonymous volumes have to stay: they have no known owner.
    """
    for path in own.parent.glob("*.run"):
        if path != own:
            with host.file_lock(path, wait=False) as held:
                if not held:
                    return True
    return False


def locks_folder(engine: Engine) -> Path:
    """Return the folder of the lock files of this engine's runs and reserved names."""
    return host.cache_folder() / "locks" / "".join(c if c.isalnum() else "-" for c in engine.facts["id"])


def remove_leftovers(engine: Engine, locks: Path) -> list[Resource]:
    """Remove what dead runs on this machine left on the engine, and return it.

    :param locks: the folder of the runs' lock files, one per run.
    """
    existing = list_resources(engine)
    leftovers = []
    for path in sorted(locks.glob("*.run")):
        with host.file_lock(path, wait=False) as held:
            if held:
                leftovers += [resource for resource in existing if resource.run == path.stem]
                path.unlink(missing_ok=True)
    remove_resources(engine, leftovers)
    return leftovers
