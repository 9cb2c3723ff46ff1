"""The names of examples on an engine, which one run at a time may use.

A transcript uses the names that its reader would, ``<slug>`` or ``<slug>-...``: see :mod:`drydock.engine.resources`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import docker.errors

from drydock import host
from drydock.engine import resources
from drydock.engine.client import Engine
from drydock.engine.resources import Resource
from drydock.errors import DrydockError, EngineError, ReplayError


def find_conflicts(engine: Engine, locks: Path, slugs: Collection[str]) -> list[Resource]:
    """Return what has names that the transcripts of `slugs` use, and that no run uses or has left: a reader made it.

    :param locks: the folder of the lock files of this engine.
    :raises EngineError: the engine does not answer.
    """
    found = resources.list_resources(engine)
    theirs = []
    for slug in slugs:
        named = [thing for thing in found if thing.belongs_to(slug)]
        if named:
            with host.file_lock(_lock_path(locks, slug), wait=False) as lock:
                theirs += named if lock is not None and not lock.read() else []
    return theirs


def conflict_message(found: Sequence[Resource]) -> str:
    """Return the message that names what is in the way of transcripts, and the commands that remove it."""
    shown = "\n".join(f"  {thing}" for thing in found)
    keys: dict[str, list[str]] = {}  # by the words of the command
    for thing in found:
        key = thing.key[:12] if thing.kind in ("container", "network") else thing.key
        keys.setdefault(_REMOVE_COMMANDS[thing.kind], []).append(key)
    commands = "\n".join(f"  docker {words} {' '.join(each)}" for words, each in keys.items())
    return (
        f"the transcripts use these names, and the engine has them already:\n{shown}\n"
        "Drydock did not make them and leaves them alone. Rename what you want to keep; this removes the rest:\n"
        f"{commands}"
    )


#: What removes each kind of thing.
_REMOVE_COMMANDS = {"container": "rm --force", "network": "network rm", "volume": "volume rm", "image": "image rm"}


def _lock_path(locks: Path, slug: str) -> Path:
    """Return the lock file of whoever uses the names of an example."""
    return locks / f"{slug}.names"


@contextlib.contextmanager
def reserve_names(
    engine: Engine, locks: Path, slugs: Collection[str], *, keep: bool = False
) -> Iterator[ReservedNames]:
    """Hold the names of the examples `slugs` on the engine: transcripts use the fixed names that their reader would.

    In the end all that has them is removed. The lock file of each has content while they are used. Found with content,
    its holder died: what that left is removed.

    :param keep: leave after a failure what it made.
    :raises ReplayError: something else has one of these names.
    """
    names = ReservedNames(engine, slugs)
    with contextlib.ExitStack() as stack:
        held = []
        for slug in sorted(slugs):  # in one order: two who need the same ones would else wait for each other
            lock = stack.enter_context(host.file_lock(_lock_path(locks, slug)))
            assert lock is not None
            held.append(lock)
            if lock.read():
                resources.remove_resources(engine, _owned_resources(engine, slug))
            found = _owned_resources(engine, slug)
            if found:
                raise ReplayError(f"examples/{slug}: {conflict_message(found)}")
        _write_marks(held, "they are in use")
        try:
            yield names
        except BaseException:
            with contextlib.suppress(EngineError):  # it is gone: whoever comes next finds the mark
                if not keep:
                    names.remove_all()
                _write_marks(held, "")
            raise
        names.remove_all()
        _write_marks(held, "")


def _write_marks(locks: Iterable[IO[str]], text: str) -> None:
    for lock in locks:
        lock.seek(0)
        lock.truncate()
        lock.write(text)
        lock.flush()


def _owned_resources(engine: Engine, slug: str) -> list[Resource]:
    return [thing for thing in resources.list_resources(engine) if thing.belongs_to(slug)]


class ReservedNames:
    """What on the engine has the names of examples, and the images that had: a rebuild takes a tag from the former."""

    def __init__(self, engine: Engine, slugs: Collection[str]) -> None:
        self._engine = engine
        self._slugs = slugs
        self._images: set[str] = set()

    def note_images(self) -> None:
        """Remember the IDs of the images that have a tag now."""
        # Where the engine is gone, the step says so better.
        with (
            contextlib.suppress(OSError, docker.errors.DockerException),
            contextlib.closing(resources.api_client(self._engine)) as client,
        ):
            for image in resources.list_images(client):
                if any(
                    Resource("image", tag, tag).belongs_to(slug)
                    for tag in resources.image_tags(image)
                    for slug in self._slugs
                ):
                    self._images.add(image["Id"])

    def list_leftovers(self) -> str:
        """Return what there is that a reader would be left with, images aside, as a list for a message."""
        found = [thing for slug in self._slugs for thing in _owned_resources(self._engine, slug)]
        return ", ".join(str(thing) for thing in found if thing.kind != "image")

    def remove_all(self) -> None:
        """Remove all of it.

        :raises EngineError: the engine does not answer.
        """
        for slug in self._slugs:
            resources.remove_resources(self._engine, _owned_resources(self._engine, slug))
        if self._images:
            with contextlib.suppress(DrydockError, OSError, docker.errors.DockerException):
                resources.remove_resources(self._engine, self._untagged())

    def _untagged(self) -> list[Resource]:
        """Return those that have no tag any more. One of another tag is somebody else's too: equal builds are one."""
        with contextlib.closing(resources.api_client(self._engine)) as client:
            left = {image["Id"] for image in resources.list_images(client, dangling=True)}
        return [Resource("image", key, key) for key in sorted(self._images & left)]
