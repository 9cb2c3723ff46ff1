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

from drydock.site import pages, repository
from drydock.site.blocks import fold, glossary
from drydock.site.blocks.directives import (
    ExamplesDirective,
    FileDirective,
    MeasuredRole,
    PictureDirective,
    TranscriptDirective,
)
from drydock.site.blocks.lexer import FREQUENT, ConsoleLexer
from drydock.site.checks import census, commands, project
from drydock.site.checks.census import CensusDirective
from drydock.site.examples import exercise, gallery, generate, publish
from drydock.site.examples.exercise import ExerciseDirective
from drydock.site.examples.page import ExamplePageDirective
from drydock.site.outputs import markdown, metadata, repository_links, search
from drydock.site.outputs.colours import Formatter
from drydock.site.render import deferred
from drydock.site.results import claims, walkthroughs
from drydock.site.results.claims import ClaimsDirective, TotalsDirective
from drydock.site.results.compatibility import CompatibilityDirective
from drydock.site.results.quality import HeldDirective, MutantsDirective, SoakDirective
from drydock.site.results.versions import VersionsDirective
from drydock.site.results.walkthroughs import FollowedDirective

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
    app.add_node(
        nodes.literal_block, override=True, html=(fold.visit_literal_block, HTML5Translator.depart_literal_block)
    )

    app.connect("config-inited", repository_links.check)
    # Before Sphinx looks for pages.
    app.connect("builder-inited", repository.read_repository)
    app.connect("builder-inited", generate.generate)
    # While it reads them, maybe in parallel.
    app.connect("env-get-outdated", pages.faulty_pages)
    app.connect("env-get-outdated", commands.outdated)
    app.connect("env-purge-doc", pages.purge_page)
    app.connect("doctree-read", census.read)
    app.connect("doctree-read", commands.read)
    app.connect("doctree-read", metadata.describe)
    app.connect("doctree-read", glossary.read)
    app.connect("env-merge-info", pages.merge_pages)
    # When all are read. (env-check-consistency is left out of a build that reads no page.)
    app.connect("env-updated", project.check)
    app.connect("env-updated", commands.check)
    app.connect("env-updated", census.showing)
    app.connect("env-updated", gallery.regrouped)
    app.connect("env-updated", glossary.changed)
    # While it writes them, maybe in parallel.
    app.connect("doctree-resolved", census.show)
    app.connect("doctree-resolved", claims.show)
    app.connect("doctree-resolved", walkthroughs.show)
    app.connect("doctree-resolved", gallery.show)
    app.connect("doctree-resolved", markdown.write)
    app.connect("doctree-resolved", glossary.show)
    app.connect("doctree-resolved", publish.link_published)
    app.connect("doctree-resolved", fold.spread)
    app.connect("doctree-resolved", deferred.render_deferred)
    app.connect("html-page-context", metadata.tell)
    app.connect("html-page-context", repository_links.tell)
    app.connect("html-page-context", metadata.lighten)
    app.setup_extension(f"{__name__}.outputs.navigation")
    app.connect("build-finished", publish.publish_examples)
    app.connect("build-finished", exercise.publish)
    app.connect("build-finished", metadata.finish)
    app.connect("build-finished", search.write)
    app.connect("build-finished", census.finish)

    return {"env_version": code(), "parallel_read_safe": True, "parallel_write_safe": True}


def code() -> int:
    """Return a checksum of Drydock's own code: what another version of it made of the pages is made anew."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return crc32(b"".join(file.read_bytes() for file in files))
