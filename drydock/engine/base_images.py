"""The base images of an example, which have to be on the engine before its tests look at them.

A build gives the image that it starts from no name on the engine, so ``docker image inspect`` doesn't find it.
"""

from __future__ import annotations

import re

from drydock.engine.client import Engine
from drydock.engine.private.stand_ins import list_references
from drydock.errors import EngineError, UnfitEngineError
from drydock.model.example import Example

#: Seconds for the largest image on a slow line.
PULL_TIMEOUT = 1200


def find_base_images(example: Example) -> list[str]:
    """Return the references of the permitted base images that the example's files or its test name."""
    paths = [*(example.root / name for name in example.files), example.test]
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file())
    return [reference for reference in list_references() if _reference_pattern(reference).search(text)]


def _reference_pattern(reference: str) -> re.Pattern[str]:
    name = re.escape(reference.removesuffix(":latest"))
    return re.compile(rf"(?<![\w./-]){name}{'(:latest)?' if reference.endswith(':latest') else ''}(?![\w:-])")


def pull_base_images(engine: Engine, example: Example) -> None:
    """Pull the base images of the example that the engine doesn't have.

    :raises UnfitEngineError: one can't be pulled.
    """
    for reference in find_base_images(example):
        if engine.run("image", "inspect", reference, check=False).returncode:
            try:
                engine.run("pull", "--quiet", reference, timeout=PULL_TIMEOUT)
            except EngineError as error:
                raise UnfitEngineError(
                    f"the engine can't pull {reference}, base image of {example.slug}: {str(error).splitlines()[-1]}. "
                    f"Run 'docker pull {reference}' until it works, and start again"
                ) from None
