"""The names of examples on an engine, which only one run at a time may use.

A transcript uses the names that its reader would, ``<slug>`` or ``<slug>-...``: see :mod:`drydock.engine.resources`.
Each example has a lock file. A run holds its lock while it uses the names, and writes a mark into it. A mark in a file
without a holder means that the run died: what it left is removed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import docker.errors

from drydock import host
from drydock.engine import resources
from drydock.engine.client import Engine
from drydock.engine.resources import Resource
from drydock.errors import DrydockError, EngineError, ReplayError

_IN_USE = "in use"
#: Kind of resource -> the docker command that removes it.
_REMOVE_COMMANDS = {"container": "rm --force", "network": "network rm", "volume": "volume rm", "image": "image rm"}


def find_conflicts(engine: Engine, locks: Path, slugs: Collection[str]) -> list[Resource]:
    """Return the resources that have names of the examples `slugs` and that no run uses or left: a reader made them.

    :param locks: the folder of this engine's lock files.
    :raises EngineError: the engine doesn't answer.
    """
    existing = resources.list_resources(engine)
    conflicts = []
    for slug in slugs:
        owned = [resource for resource in existing if resource.belongs_to(slug)]
        if owned:
            path = _lock_path(locks, slug)
            with host.file_lock(path, wait=False) as held:
                conflicts += owned if held and not path.read_text() else []
    return conflicts


def free_names(engine: Engine, locks: Path, slugs: Collection[str]) -> None:
    """Free the names that the transcripts of the examples `slugs` use: a reader may have followed their pages.

    Nothing is removed from the user's own engine. On the private engine, images are removed because the examples can
    rebuild them; containers, networks, and volumes are reported.

    :raises ReplayError: a name is in use; the message has the command that frees it.
    """
    conflicts = find_conflicts(engine, locks, slugs)
    images = [resource for resource in conflicts if resource.kind == "image" and engine.private]
    remaining = [resource for resource in conflicts if resource not in images]
    remaining = remaining or resources.remove_resources(engine, images)
    if remaining:
        raise ReplayError(conflict_message(remaining))
    if images:
        names = ", ".join(image.name for image in images)
        host.print_status(f"removed from the private engine, because transcripts build these images: {names}")


def conflict_message(conflicts: Sequence[Resource]) -> str:
    """Return a message that lists `conflicts` and the commands that remove them."""
    listed = "\n".join(f"  {resource}" for resource in conflicts)
    keys: dict[str, list[str]] = {}
    for resource in conflicts:
        key = resource.key[:12] if resource.kind in ("container", "network") else resource.key
        keys.setdefault(_REMOVE_COMMANDS[resource.kind], []).append(key)
    commands = "\n".join(f"  docker {command} {' '.join(named)}" for command, named in keys.items())
    return (
        f"the engine already has resources with names that the transcripts use:\n{listed}\n"
        "Drydock didn't create them and leaves them alone. Rename what you want to keep, then remove the rest:\n"
        f"{commands}"
    )


def _lock_path(locks: Path, slug: str) -> Path:
    return locks / f"{slug}.names"


@contextlib.contextmanager
def reserve_names(
    engine: Engine, locks: Path, slugs: Collection[str], *, keep: bool = False
) -> Iterator[ReservedNames]:
    """Hold the names of the examples `slugs` on the engine. At the end, everything with these names is removed.

    :param locks: the folder of this engine's lock files.
    :param keep: after a failure, leave everything in place.
    :raises ReplayError: a resource that Drydock didn't create has one of these names.
    """
    names = ReservedNames(engine, slugs)
    # Sorted, or two runs could wait for each other.
    paths = {slug: _lock_path(locks, slug) for slug in sorted(slugs)}
    with contextlib.ExitStack() as stack:
        for path in paths.values():
            stack.enter_context(host.file_lock(path))
        names.free([slug for slug, path in paths.items() if path.read_text()])
        _write_marks(paths.values(), _IN_USE)
        try:
            yield names
        except BaseException:
            # If the engine is gone, the mark stays, and the next run removes what is left.
            with contextlib.suppress(EngineError):
                if not keep:
                    names.remove_all()
                _write_marks(paths.values(), "")
            raise
        names.remove_all()
        _write_marks(paths.values(), "")


def _write_marks(paths: Iterable[Path], mark: str) -> None:
    for path in paths:
        path.write_text(mark)


class ReservedNames:
    """The resources that have names of the examples `slugs`, and the images that had one until a rebuild took it."""

    def __init__(self, engine: Engine, slugs: Collection[str]) -> None:
        self._engine = engine
        self._slugs = slugs
        self._images: set[str] = set()

    def _owned(self, existing: Iterable[Resource], slugs: Collection[str]) -> list[Resource]:
        return [resource for resource in existing if any(resource.belongs_to(slug) for slug in slugs)]

    def _list_owned(self) -> list[Resource]:
        existing = resources.list_resources(self._engine, resources.name_patterns(self._slugs))
        return self._owned(existing, self._slugs)

    def free(self, abandoned: Collection[str]) -> None:
        """Remove the resources of the examples `abandoned`, which a dead run left.

        :raises ReplayError: there are others.
        """
        owned = self._list_owned()
        doomed = self._owned(owned, abandoned)
        conflicts = [resource for resource in owned if resource not in doomed]
        conflicts += resources.remove_resources(self._engine, doomed) if doomed else []
        if conflicts:
            raise ReplayError(conflict_message(conflicts))

    def note_images(self) -> None:
        """Remember the IDs of the images that have a tag now. If the engine is gone, the step's own error says it."""
        with (
            contextlib.suppress(OSError, docker.errors.DockerException),
            contextlib.closing(resources.api_client(self._engine)) as client,
        ):
            for image in resources.list_images(client, reference=resources.name_patterns(self._slugs)):
                tagged = [Resource("image", tag, tag) for tag in resources.image_tags(image)]
                if self._owned(tagged, self._slugs):
                    self._images.add(image["Id"])

    def list_leftovers(self) -> str:
        """Return the containers, networks, and volumes that a reader would be left with, as a list for a message."""
        return ", ".join(str(resource) for resource in self._list_owned() if resource.kind != "image")

    def remove_all(self) -> None:
        """Remove all resources with these names, and the images that had one.

        :raises EngineError: the engine doesn't answer.
        """
        resources.remove_resources(self._engine, self._list_owned())
        if self._images:
            with contextlib.suppress(DrydockError, OSError, docker.errors.DockerException):
                resources.remove_resources(self._engine, self._untagged_images())

    def _untagged_images(self) -> list[Resource]:
        """Return the noted images without a tag. Equal builds share one image: its other tags may be a reader's."""
        with contextlib.closing(resources.api_client(self._engine)) as client:
            dangling = {image["Id"] for image in resources.list_images(client, dangling=True)}
        return [Resource("image", key, key) for key in sorted(self._images & dangling)]
