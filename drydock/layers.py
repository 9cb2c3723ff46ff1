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
MAX_WIDTH = 100


def rows(engine: Engine, images: Mapping[str, str], base: str = "") -> list[Row]:
    """Return the rows of a table of `layers`: each instruction of each image, the lowest first.

    :param images: label -> image. Equal layers have equal places in the table, in whichever image they are.
    :param base: the base image of those that were not built from scratch; whose layers do not begin with its, was.
    """
    places: dict[str, int] = {}
    found: list[Row] = []
    for label, image in images.items():
        below = _count_base(engine, image, base) if base else 0
        for index, (instruction, size, digest) in enumerate(_instructions(engine, image)):
            layer = places.setdefault(digest, len(places) + 1) if digest else None
            found.append(
                {"image": label, "instruction": instruction, "bytes": size, "layer": layer, "base": index < below}
            )
    return found


def _count_base(engine: Engine, image: str, base: str) -> int:
    """Return how many of the image's instructions are those of its base, which a build leaves without a name."""
    if engine.run("image", "inspect", base, check=False).returncode:
        engine.run("pull", "--quiet", base, timeout=300)
    lower = _layer_digests(engine, base)
    return len(_instruction_sizes(engine, base)) if _layer_digests(engine, image)[: len(lower)] == lower else 0


def _layer_digests(engine: Engine, image: str) -> list[str]:
    found: list[str] = json.loads(engine.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).stdout)
    return found


def _instructions(engine: Engine, image: str) -> Iterator[tuple[str, int, str]]:
    """Yield of each instruction, the lowest first, its text, its bytes, and its layer's digest, "" if it has none."""
    settings = _image_config(engine, image)
    digests = iter(settings["rootfs"]["diff_ids"])
    for step, size in zip(settings["history"], _instruction_sizes(engine, image), strict=True):
        yield plain_instruction(step["created_by"]), size, "" if step.get("empty_layer") else next(digests)


def _instruction_sizes(engine: Engine, image: str) -> list[int]:
    said = engine.run("history", "--human=false", "--no-trunc", "--format", "{{.Size}}", image).stdout
    return [int(size) for size in reversed(said.split())]


def _image_config(engine: Engine, image: str) -> Any:
    """Return the image's settings as they are stored: only they say which instructions made no layer."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "image.tar")
        engine.run("save", "--output", str(place), image)
        with tarfile.open(place) as archive:
            [manifest] = json.loads(_read_member(archive, "manifest.json"))
            return json.loads(_read_member(archive, manifest["Config"]))


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def plain_instruction(created_by: str) -> str:
    """Return an instruction as a Dockerfile has it, cut to one line: without what the builder put around it."""
    text = re.sub(r" # buildkit$", "", " ".join(created_by.split()))
    text = re.sub(r"^RUN (\|\d+ ([^\s=]+=\S* )*)?/bin/sh -c ", "RUN ", text)
    text = re.sub(r'^HEALTHCHECK &\{\["CMD" (.*?)\].*$', r"HEALTHCHECK CMD [\1]", text)
    text = re.sub(r"^EXPOSE (?:map)?\[(.*?)(?::\{\})?\]$", r"EXPOSE \1", text)
    if text.startswith(("CMD [", "ENTRYPOINT [", "HEALTHCHECK CMD [")):
        text = text.replace('" "', '", "')
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 1].rstrip() + "…"
