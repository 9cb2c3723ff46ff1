"""The instructions of images, their sizes, and shared layers, as rows of a table."""

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

#: Longest instruction in a table; longer ones are cut.
MAX_WIDTH = 100


def rows(engine: Engine, images: Mapping[str, str], base: str = "") -> list[Row]:
    """Return the rows of a table of the kind `layers`: the instructions of each image, the lowest first.

    :param images: label -> image. Layers are numbered; images that share a layer have the same number.
    :param base: the base image. An image whose layers don't start with the base's counts as built from scratch.
    """
    numbers: dict[str, int] = {}
    table: list[Row] = []
    for label, image in images.items():
        below = _count_base(engine, image, base) if base else 0
        for index, (instruction, size, digest) in enumerate(_instructions(engine, image)):
            layer = numbers.setdefault(digest, len(numbers) + 1) if digest else None
            table.append(
                {"image": label, "instruction": instruction, "bytes": size, "layer": layer, "base": index < below}
            )
    return table


def _count_base(engine: Engine, image: str, base: str) -> int:
    """Return how many of the image's instructions come from `base`, which a build doesn't tag on the engine."""
    if engine.run("image", "inspect", base, check=False).returncode:
        engine.run("pull", "--quiet", base, timeout=300)
    lower = _layer_digests(engine, base)
    return len(_instruction_sizes(engine, base)) if _layer_digests(engine, image)[: len(lower)] == lower else 0


def _layer_digests(engine: Engine, image: str) -> list[str]:
    output = engine.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).stdout
    return list(json.loads(output))


def _instructions(engine: Engine, image: str) -> Iterator[tuple[str, int, str]]:
    """Yield text, size in bytes, and layer digest ("" if none) of each instruction, the lowest first."""
    config = _image_config(engine, image)
    digests = iter(config["rootfs"]["diff_ids"])
    for step, size in zip(config["history"], _instruction_sizes(engine, image), strict=True):
        yield plain_instruction(step["created_by"]), size, "" if step.get("empty_layer") else next(digests)


def _instruction_sizes(engine: Engine, image: str) -> list[int]:
    output = engine.run("history", "--human=false", "--no-trunc", "--format", "{{.Size}}", image).stdout
    return [int(size) for size in reversed(output.split())]


def _image_config(engine: Engine, image: str) -> Any:
    """Return the image's configuration from an archive: only that shows which instructions have a layer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.tar")
        engine.run("save", "--output", str(path), image)
        with tarfile.open(path) as archive:
            [manifest] = json.loads(_read_member(archive, "manifest.json"))
            return json.loads(_read_member(archive, manifest["Config"]))


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def plain_instruction(created_by: str) -> str:
    """Return an instruction as in the Dockerfile, without the builder's additions, cut to one line."""
    text = re.sub(r" # buildkit$", "", " ".join(created_by.split()))
    text = re.sub(r"^RUN (\|\d+ ([^\s=]+=\S* )*)?/bin/sh -c ", "RUN ", text)
    text = re.sub(r'^HEALTHCHECK &\{\["CMD" (.*?)\].*$', r"HEALTHCHECK CMD [\1]", text)
    text = re.sub(r"^EXPOSE (?:map)?\[(.*?)(?::\{\})?\]$", r"EXPOSE \1", text)
    if text.startswith(("CMD [", "ENTRYPOINT [", "HEALTHCHECK CMD [")):
        text = text.replace('" "', '", "')
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 1].rstrip() + "…"
