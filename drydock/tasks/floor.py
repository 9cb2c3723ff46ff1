"""Sets the floor of blocks to those of a built site: ``nox -s docs -- floor``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from drydock import ROOT, store
from drydock.model.floor import set_floor


def raise_blocks(site: Path, top: Path = ROOT) -> None:
    """Set the floor of blocks to the number in the census of the built `site`."""
    census = site / "drydock-census.json"
    set_floor(top, blocks=store.load_json(dict[str, Any], census, census, "run: nox -s docs")["blocks"])


if __name__ == "__main__":
    raise_blocks(Path(sys.argv[1]))
