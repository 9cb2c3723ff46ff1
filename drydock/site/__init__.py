"""The Sphinx extension: blocks from examples, their evidence, and the census that finds any other block.

It runs no command, and needs neither an engine nor the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from docutils import nodes
from sphinx.highlighting import PygmentsBridge
from sphinx.writers.html5 import HTML5Translator

from drydock.site import (
    census,
    checks,
    exercise,
    feed,
    fold,
    following,
    forge,
    formats,
    gallery,
    generate,
    late,
    markdown,
    moved,
    pages,
    proof,
    prose,
    publish,
    search,
    shelf,
    terms,
)
from drydock.site.census import CensusDirective
from drydock.site.colours import Formatter
from drydock.site.compatibility import CompatibilityDirective
from drydock.site.directives import (
    ExamplesDirective,
    FileDirective,
    MeasuredRole,
    PictureDirective,
    TranscriptDirective,
)
from drydock.site.exercise import ExerciseDirective
from drydock.site.following import FollowedDirective
from drydock.site.lexer import FREQUENT, ConsoleLexer
from drydock.site.own_page import ExamplePageDirective
from drydock.site.proof import ClaimsDirective, TotalsDirective
from drydock.site.scores import HeldDirective, MutantsDirective, SoakDirective
from drydock.site.versions import VersionsDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata


def setup(app: Sphinx) -> ExtensionMetadata:
    """Wire everything, in the order of a build."""
    # The repository's top folder, relative to that of conf.py.
    app.add_config_value("drydock_top", "", "env", [str])
    # Its address, where it is known.
    app.add_config_value("drydock_repository", "", "html", [str])

    app.add_directive("example", FileDirective)
    app.add_directive("transcript", TranscriptDirective)
    app.add_directive("picture", PictureDirective)
    app.add_directive("examples", ExamplesDirective)
    app.add_directive("example-page", ExamplePageDirective)
    app.add_directive("census", CensusDirective)
    app.add_directive("compatibility", CompatibilityDirective)
    app.add_directive("claims", ClaimsDirective)
    app.add_directive("exercise", ExerciseDirective)
    app.add_directive("versions", VersionsDirective)
    app.add_directive("totals", TotalsDirective)
    app.add_directive("mutants", MutantsDirective)
    app.add_directive("soak", SoakDirective)
    app.add_directive("held", HeldDirective)
    app.add_directive("followed", FollowedDirective)
    app.add_role("measured", MeasuredRole())
    app.add_lexer("console", ConsoleLexer)
    for name, lexer in FREQUENT.items():
        app.add_lexer(name, lexer)
    PygmentsBridge.html_formatter = Formatter  # where Sphinx asks for another one to be named
    app.add_node(nodes.literal_block, override=True, html=(fold.visit, HTML5Translator.depart_literal_block))

    app.connect("config-inited", forge.check)
    # Before Sphinx looks for pages.
    app.connect("builder-inited", shelf.fill)
    app.connect("builder-inited", generate.generate)
    # While it reads them, maybe in parallel.
    app.connect("env-get-outdated", pages.outdated)
    app.connect("env-get-outdated", prose.outdated)
    app.connect("env-purge-doc", pages.purge)
    app.connect("doctree-read", census.read)
    app.connect("doctree-read", prose.read)
    app.connect("doctree-read", formats.describe)
    app.connect("doctree-read", terms.read)
    app.connect("env-merge-info", pages.merge)
    # When all are read. (env-check-consistency is left out of a build that reads no page.)
    app.connect("env-updated", checks.check)
    app.connect("env-updated", prose.check)
    app.connect("env-updated", census.showing)
    app.connect("env-updated", gallery.regrouped)
    app.connect("env-updated", terms.changed)
    app.connect("env-updated", feed.check)
    app.connect("env-updated", moved.check)
    # While it writes them, maybe in parallel.
    app.connect("doctree-resolved", census.show)
    app.connect("doctree-resolved", proof.show)
    app.connect("doctree-resolved", following.show)
    app.connect("doctree-resolved", gallery.show)
    app.connect("doctree-resolved", markdown.write)
    app.connect("doctree-resolved", terms.show)
    app.connect("doctree-resolved", publish.link)
    app.connect("doctree-resolved", fold.spread)
    app.connect("doctree-resolved", late.render)
    app.connect("html-page-context", formats.tell)
    app.connect("html-page-context", feed.tell)
    app.connect("html-page-context", forge.tell)
    app.connect("html-page-context", formats.lighten)
    app.setup_extension(f"{__name__}.navigation")
    app.connect("build-finished", publish.publish)
    app.connect("build-finished", exercise.publish)
    app.connect("build-finished", formats.finish)
    app.connect("build-finished", feed.write)
    app.connect("build-finished", moved.write)
    app.connect("build-finished", search.write)
    app.connect("build-finished", census.finish)

    return {"env_version": code(), "parallel_read_safe": True, "parallel_write_safe": True}


def code() -> int:
    """Return a checksum of Drydock's own code: what another version of it made of the pages is made anew."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return crc32(b"".join(file.read_bytes() for file in files))
