"""What is on an engine that belongs to an example or to a run of the tests, and its removal.

Names say whom a thing belongs to. A transcript uses the names that its reader would: ``<slug>`` or ``<slug>-...``.
What a test makes is called ``<slug>-t<run>-...``, with the run's eight hexadecimal digits, so that runs never meet.
A lock file that a run holds says that it lives; what belongs to a run whose lock nobody holds was left behind, and is
removed.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors

from drydock.engine.client import Engine
from drydock.errors import EngineError
from drydock.host import file_lock

RUN_SUFFIX = re.compile(r"-t([0-9a-f]{8})(?:$|[-_:.])")
PROJECT_LABEL = "com.docker.compose.project"
RESOURCE_KINDS = ("container", "network", "volume", "image")
#: How often an engine is asked for its images.
LIST_TRIES = 5


@dataclass(frozen=True, order=True)
class Resource:
    """Something on an engine.

    :ivar kind: ``container``, ``network``, ``volume`` or ``image``.
    :ivar name: its name, or an image's tag.
    :ivar key: what the engine removes it by.
    """

    kind: str
    name: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def run(self) -> str | None:
        """The run of the tests that made it, or None."""
        found = RUN_SUFFIX.search(self.name)
        return found[1] if found else None

    def belongs_to(self, slug: str) -> bool:
        """Say whether it belongs to the example `slug`, made by a transcript or by hand."""
        return self.run is None and re.match(re.escape(slug) + r"(?:$|[-_:])", self.name) is not None


def api_client(engine: Engine) -> docker.APIClient:
    """Return a client of the engine's API."""
    host = engine.client["DOCKER_HOST"]
    return docker.APIClient(base_url=host, timeout=60, version=_api_version(host))


@functools.cache
def _api_version(host: str) -> str:
    """Return the version of the API that client and engine agree on; asking costs as much as most answers."""
    with contextlib.closing(docker.APIClient(base_url=host, timeout=60, version="auto")) as client:
        return str(client.api_version)


def list_resources(engine: Engine) -> list[Resource]:
    """Return everything on the engine that has a name, containers first: in the order in which it can be removed.

    A container started from an example's image without a name of its own counts under the image's name.

    :raises EngineError: the engine does not answer.
    """
    try:
        with contextlib.closing(api_client(engine)) as client:
            return [
                *(Resource("container", _container_name(each), each["Id"]) for each in client.containers(all=True)),
                *(Resource("network", _qualified_name(each, each["Name"]), each["Id"]) for each in client.networks()),
                *(
                    Resource("volume", _qualified_name(each, each["Name"]), each["Name"])
                    for each in client.volumes()["Volumes"] or ()
                ),
                *(Resource("image", tag, tag) for each in list_images(client) for tag in image_tags(each)),
            ]
    except (OSError, docker.errors.DockerException) as error:
        raise EngineError(f"{engine.client['DOCKER_HOST']} does not answer: {error}") from None


def list_images(client: docker.APIClient, **filters: object) -> list[dict[str, Any]]:
    """Return what the engine says of its images.

    With the containerd image store it answers "not found" when one of them goes while it lists them: it is asked again.
    """
    for _ in range(LIST_TRIES - 1):
        with contextlib.suppress(docker.errors.NotFound):
            return list(client.images(filters=filters))
    return list(client.images(filters=filters))


def image_tags(image: dict[str, Any]) -> list[str]:
    """Return the tags of an image, short as Docker gives them; Podman spells out Docker Hub."""
    return [tag.removeprefix("docker.io/library/") for tag in image["RepoTags"] or ()]


def _container_name(container: dict[str, Any]) -> str:
    name = _qualified_name(container, (container["Names"] or ["/"])[0].lstrip("/"))
    image = str(container["Image"])
    named_by_hand = not re.fullmatch(r"[a-z]+_[a-z]+\d?", name)
    return name if named_by_hand or image.startswith("sha256:") else f"{image}-{name}"


def _qualified_name(thing: dict[str, Any], name: str) -> str:
    """Return its name, behind its Compose project's name where the project did not give it."""
    project = (thing.get("Labels") or {}).get(PROJECT_LABEL, "")
    return name if name.startswith(project) else f"{project}-{name}"


def remove_resources(engine: Engine, doomed: Iterable[Resource]) -> list[Resource]:
    """Remove `doomed`, containers by force and with their anonymous volumes. Return what would not go."""
    left = []
    with contextlib.closing(api_client(engine)) as client:
        for thing in sorted(doomed, key=lambda thing: RESOURCE_KINDS.index(thing.kind)):
            try:
                _remove_resource(client, thing)
            except docker.errors.NotFound:
                continue
            except (OSError, docker.errors.DockerException):
                left.append(thing)
    return left


def _remove_resource(client: docker.APIClient, thing: Resource) -> None:
    if thing.kind == "container":
        with contextlib.suppress(docker.errors.APIError):  # it may have ended; Podman would else wait for it to end
            client.kill(thing.key)
        client.remove_container(thing.key, force=True, v=True)
    elif thing.kind == "network":
        client.remove_network(thing.key)
    elif thing.kind == "volume":
        client.remove_volume(thing.key)
    else:
        client.remove_image(thing.key, noprune=False)


def dangling_volumes(engine: Engine) -> set[str]:
    """Return the names of the volumes without a name of their own that no container uses."""
    with contextlib.closing(api_client(engine)) as client:
        volumes = client.volumes(filters={"dangling": True})["Volumes"] or ()
        return {volume["Name"] for volume in volumes if re.fullmatch(r"[0-9a-f]{64}", volume["Name"])}


def prune_images(engine: Engine, **filters: str) -> int:
    """Remove the images that lost their tags and that no container uses, and return how many. Build caches stay.

    :param filters: further filters of the engine, as ``label="key=value"``.

    Podman is left alone: there such images are the build cache.
    """
    if engine.facts["name"] == "Podman":
        return 0
    with contextlib.closing(api_client(engine)) as client:
        gone = client.prune_images(filters={"dangling": True, **filters})["ImagesDeleted"] or ()
        return sum("Deleted" in each for each in gone)


def other_run_active(own: Path) -> bool:
    """Say whether another run than that of the lock file `own` lives on this engine.

    A volume without a name of its own says of nobody that it is his: while others run, it may well be theirs.
    """
    for place in own.parent.glob("*.run"):
        if place != own:
            with file_lock(place, wait=False) as lock:
                if lock is None:
                    return True
    return False


def remove_leftovers(engine: Engine, locks: Path) -> list[Resource]:
    """Remove what dead runs on this machine left on the engine, and return it.

    :param locks: the folder of the runs' lock files, one per run, held by each run that lives.
    """
    doomed = []
    found = list_resources(engine)
    for place in sorted(locks.glob("*.run")):
        with file_lock(place, wait=False) as lock:
            if lock is not None:
                doomed += [thing for thing in found if thing.run == place.stem]
                place.unlink(missing_ok=True)
    remove_resources(engine, doomed)
    return doomed
