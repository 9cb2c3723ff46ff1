"""Raises the number of blocks that the site must not fall below to those of a built site: ``nox -s docs -- floor``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from drydock import ROOT, store


def raise_floor(site: Path, floor: Path = ROOT / "evidence" / "floor.json") -> None:
    """Write the number of blocks in the built `site` to the file `floor`."""
    blocks = json.loads((site / "drydock-census.json").read_text(encoding="utf-8"))["blocks"]
    store.save_json(floor, {**store.load_json(dict[str, int], floor, floor.name), "blocks": blocks})


if __name__ == "__main__":
    raise_floor(Path(sys.argv[1]))
