"""The Sphinx extension: it shows blocks from examples with their evidence, and reports every other block.

It runs no commands, and needs neither an engine nor the network.
"""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from drydock.site import pages, repository
from drydock.site.blocks import directives, fold, glossary, lexer
from drydock.site.checks import census, commands, project
from drydock.site.examples import exercise, gallery, generate, page, publish
from drydock.site.outputs import markdown, metadata, navigation, offline, repository_links, search, weight
from drydock.site.render import deferred, whole_site
from drydock.site.results import claims, compatibility, quality, versions, walkthroughs

#: Each module connects itself. Where the order matters, it does so with a priority and says why.
MODULES = (
    *(repository, pages),
    *(lexer, directives, fold, glossary),
    *(census, project, commands),
    *(generate, page, gallery, publish, exercise),
    *(claims, compatibility, quality, versions, walkthroughs),
    *(deferred, whole_site),
    *(metadata, repository_links, markdown, navigation, search, weight, offline),
)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Set up every module."""
    for module in MODULES:
        module.setup(app)
    return {"env_version": code_version(), "parallel_read_safe": True, "parallel_write_safe": True}


def code_version() -> int:
    """Return a checksum of Drydock's code: another version of it reads all pages again."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return crc32(b"".join(file.read_bytes() for file in files))
