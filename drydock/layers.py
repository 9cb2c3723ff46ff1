"""What an image is made of, as rows of a table: its instructions, their sizes, and the layers that images share."""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drydock.engine.client import Engine
from drydock.model.evidence import Row

#: Letters of an instruction that are kept: enough to know it by.
WIDTH = 100


def rows(engine: Engine, images: Mapping[str, str], base: str = "") -> list[Row]:
    """Return the rows of a table of `layers`: each instruction of each image, the lowest first.

    :param images: label -> image. Equal layers have equal places in the table, in whichever image they are.
    :param base: the base image of those that were not built from scratch; whose layers do not begin with its, was.
    """
    places: dict[str, int] = {}
    found: list[Row] = []
    for label, image in images.items():
        below = _below(engine, image, base) if base else 0
        for index, (instruction, size, digest) in enumerate(_instructions(engine, image)):
            layer = places.setdefault(digest, len(places) + 1) if digest else None
            found.append(
                {"image": label, "instruction": instruction, "bytes": size, "layer": layer, "base": index < below}
            )
    return found


def _below(engine: Engine, image: str, base: str) -> int:
    """Return how many of the image's instructions are those of its base, which a build leaves without a name."""
    if engine.run("image", "inspect", base, check=False).returncode:
        engine.run("pull", "--quiet", base, timeout=300)
    lower = _layers(engine, base)
    return len(_sizes(engine, base)) if _layers(engine, image)[: len(lower)] == lower else 0


def _layers(engine: Engine, image: str) -> list[str]:
    found: list[str] = json.loads(engine.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).stdout)
    return found


def _instructions(engine: Engine, image: str) -> Iterator[tuple[str, int, str]]:
    """Yield of each instruction, the lowest first, its text, its bytes, and its layer's digest, "" if it has none."""
    settings = _settings(engine, image)
    digests = iter(settings["rootfs"]["diff_ids"])
    for step, size in zip(settings["history"], _sizes(engine, image), strict=True):
        yield plain(step["created_by"]), size, "" if step.get("empty_layer") else next(digests)


def _sizes(engine: Engine, image: str) -> list[int]:
    said = engine.run("history", "--human=false", "--no-trunc", "--format", "{{.Size}}", image).stdout
    return [int(size) for size in reversed(said.split())]


def _settings(engine: Engine, image: str) -> Any:
    """Return the image's settings as they are stored: only they say which instructions made no layer."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "image.tar")
        engine.run("save", "--output", str(place), image)
        with tarfile.open(place) as archive:
            [manifest] = json.loads(_member(archive, "manifest.json"))
            return json.loads(_member(archive, manifest["Config"]))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def plain(created_by: str) -> str:
    """Return an instruction as a Dockerfile has it, cut to one line: without what the builder put around it."""
    text = re.sub(r" # buildkit$", "", " ".join(created_by.split()))
    text = re.sub(r"^RUN (\|\d+ ([^\s=]+=\S* )*)?/bin/sh -c ", "RUN ", text)
    text = re.sub(r'^HEALTHCHECK &\{\["CMD" (.*?)\].*$', r"HEALTHCHECK CMD [\1]", text)
    text = re.sub(r"^EXPOSE (?:map)?\[(.*?)(?::\{\})?\]$", r"EXPOSE \1", text)
    if text.startswith(("CMD [", "ENTRYPOINT [", "HEALTHCHECK CMD [")):
        text = text.replace('" "', '", "')
    return text if len(text) <= WIDTH else text[: WIDTH - 1].rstrip() + "…"
