"""The site, served and built again on every change: ``nox -s preview``.

sphinx-autobuild starts a new Python for each build, which spends more time on loading Sphinx than on an edited page.
It calls for each build in a process that was forked from the one that serves, and that has all of it loaded:
the build may as well happen there. Only where Drydock's own code has changed does it take a new Python.

Run as ``python -m drydock.site.preview`` with the options of sphinx-autobuild.
"""

# It has no types.
# mypy: disable-error-code="import-untyped, misc, no-untyped-call"

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.cmd.build import main as sphinx_build
from sphinx_autobuild import __main__ as autobuild
from sphinx_autobuild.build import Builder
from sphinx_autobuild.utils import show_message

from drydock.site import code_version

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A checksum of the code that this process has loaded.
LOADED = code_version()


class Warm(Builder):
    """Builds with what is loaded already."""

    def __call__(self, *, changed_paths: Sequence[Path]) -> None:
        """Build once. What fails is told, and does not end the server."""
        if code_version() != LOADED:
            super().__call__(changed_paths=changed_paths)
            return
        for path in changed_paths[:5]:
            show_message(f"Changed: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
        if sphinx_build(self.sphinx_args):
            show_message("The build failed: what is served may be older than what you wrote")
        show_message(f"Serving on {self.uri}")
        if not changed_paths:  # the first build, in the process that serves
            # What it has loaded stays, and is not to be looked through, nor copied, in each one to come.
            gc.collect()
            gc.freeze()


def main() -> None:
    """Serve until Ctrl-C."""
    autobuild.Builder = Warm
    autobuild.main()


if __name__ == "__main__":
    main()
