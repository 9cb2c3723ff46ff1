"""``{versions}``: current base images and programs with their sources, and the engines that were recorded."""

from __future__ import annotations

from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx

from drydock.errors import MissingError, did_you_mean
from drydock.model.evidence import Run
from drydock.model.example import Example
from drydock.model.versions import (
    VERSIONS_FILE,
    Base,
    EngineSource,
    Program,
    Versions,
    image_users,
    load_versions,
)
from drydock.site.blocks.code import page_link
from drydock.site.blocks.directives import ExampleDirective
from drydock.site.pages import FOLDER
from drydock.site.render.inline import inline_nodes
from drydock.site.render.tables import Cell, node_table
from drydock.site.repository import get_repository


class VersionsDirective(ExampleDirective):
    """``{versions} bases`` or ``programs``: a table of what is current; ``engines``: of what was recorded."""

    def make_nodes(self) -> list[nodes.Node]:
        """Return the table."""
        top = get_repository(self.env).top
        self.env.note_dependency(top / VERSIONS_FILE)
        self.env.note_dependency(f"{FOLDER}/index.md")
        versions = load_versions(top)
        tables = {
            "bases": lambda: node_table(BASES, self._bases(versions), "drydock-versions"),
            "programs": lambda: node_table(
                PROGRAMS, [_program(program) for program in versions.program], "drydock-versions"
            ),
            "engines": lambda: node_table(ENGINES, list(self._engines(versions)), "drydock-versions"),
        }
        asked = self.arguments[0]
        if asked not in tables:
            raise MissingError(f"no versions of {asked!r}{did_you_mean(asked, tables)}")
        return [tables[asked]()]

    def _bases(self, versions: Versions) -> list[list[Cell]]:
        using = image_users(get_repository(self.env).examples.values())
        return [self._base(base, using.get(base.image, [])) for base in versions.bases.values()]

    def _engines(self, versions: Versions) -> Iterator[list[Cell]]:
        """Yield a row for each engine: the facts of its newest run, and how many examples have a current one."""
        examples = [self.example(slug) for slug in get_repository(self.env).examples]
        runs: dict[str, list[Run]] = {row.key: [] for row in versions.engine}
        for example in examples:
            for key, run in get_repository(self.env).current_runs(example).items():
                runs.setdefault(key, []).append(run)
        sources = {row.key: row for row in versions.engine}
        for key, recorded in runs.items():
            source = sources.get(key, EngineSource(key, "not started by Drydock", "recorded"))
            newest = max(recorded, key=lambda run: run.date, default=None)
            facts = newest.engine if newest else {}
            yield [
                [nodes.Text(newest.heading) if newest else nodes.literal("", key)],
                [nodes.Text(facts.get("compose", "")), *_note(facts.get("buildx", ""))],
                [nodes.Text(facts.get("cgroup", ""))],
                [nodes.Text(f"{len(recorded)} of {len(examples)}"), *_note(newest.date if newest else "")],
                inline_nodes(source.origin),
                inline_nodes(source.role),
            ]

    def _base(self, base: Base, examples: list[Example]) -> list[Cell]:
        links = [page_link(self.env, example.slug, example.slug) for example in examples]
        between = [[link, nodes.Text(", ")] for link in links]
        ends = base.ends.isoformat() if base.ends else "not announced"
        return [
            [nodes.literal("", base.image)],
            inline_nodes(base.release),
            [nodes.Text(ends), *_note(base.note)],
            [node for pair in between for node in pair][:-1] or [nodes.Text("no example yet")],
            _source(base),
        ]


BASES = ["Image", "What is in it", "Supported until", "Used by", "Checked"]
ENGINES = ["Engine", "Compose; buildx", "cgroup version", "Examples recorded", "Where it comes from", "Role"]
PROGRAMS = ["Program", "Newest version", "Checked"]


def _program(program: Program) -> list[Cell]:
    return [inline_nodes(program.name), [nodes.Text(program.version), *_note(program.note)], _source(program)]


def _note(note: str) -> list[nodes.Node]:
    return [nodes.Text("; "), *inline_nodes(note)] if note else []


def _source(row: Base | Program) -> list[nodes.Node]:
    return [nodes.reference("", row.checked.isoformat(), refuri=row.source)]


def setup(app: Sphinx) -> None:
    """Add the directive."""
    app.add_directive("versions", VersionsDirective)
