"""``{versions}``: the base images and programs that are current, with their sources and who uses them."""

from __future__ import annotations

from docutils import nodes

from drydock.errors import MissingError, near
from drydock.example import Example
from drydock.site.blocks import page_link
from drydock.site.directives import ExampleDirective
from drydock.site.pages import FOLDER
from drydock.site.sentences import prose
from drydock.site.shelf import shelf
from drydock.site.tables import Cell, table
from drydock.versions import FILE, Base, Program, Versions, load, users


class VersionsDirective(ExampleDirective):
    """``{versions} bases`` or ``{versions} programs``: a table of what is current."""

    def shown(self) -> list[nodes.Node]:
        """Return the table."""
        top = shelf(self.env).top
        self.env.note_dependency(top / FILE)
        self.env.note_dependency(f"{FOLDER}/index.md")
        found = load(top)
        tables = {
            "bases": lambda: table(BASES, self._bases(found), "drydock-versions"),
            "programs": lambda: table(PROGRAMS, [_program(each) for each in found.programs], "drydock-versions"),
        }
        asked = self.arguments[0]
        if asked not in tables:
            raise MissingError(f"no versions of {asked!r}{near(asked, tables)}")
        return [tables[asked]()]

    def _bases(self, found: Versions) -> list[list[Cell]]:
        using = users(shelf(self.env).examples.values())
        return [self._base(base, using.get(base.image, [])) for base in found.bases.values()]

    def _base(self, base: Base, examples: list[Example]) -> list[Cell]:
        links = [page_link(self.env, example.slug, example.slug) for example in examples]
        between = [[link, nodes.Text(", ")] for link in links]
        ends = base.ends.isoformat() if base.ends else "not announced"
        return [
            [nodes.literal("", base.image)],
            prose(base.release),
            [nodes.Text(ends), *_note(base.note)],
            [node for pair in between for node in pair][:-1] or [nodes.Text("no example yet")],
            _source(base),
        ]


BASES = ["Image", "What is in it", "Supported until", "Used by", "Checked"]
PROGRAMS = ["Program", "Newest version", "Checked"]


def _program(program: Program) -> list[Cell]:
    return [prose(program.name), [nodes.Text(program.version), *_note(program.note)], _source(program)]


def _note(note: str) -> list[nodes.Node]:
    return [nodes.Text("; "), *prose(note)] if note else []


def _source(row: Base | Program) -> list[nodes.Node]:
    return [nodes.reference("", row.checked.isoformat(), refuri=row.source)]
