"""One record per page of the blocks that it shows, kept in the environment and merged from parallel readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

#: The folder of the generated pages, in the source directory.
FOLDER = "examples"


@dataclass(frozen=True)
class Block:
    """A code block and the example that owns it; its literal block carries this as the attribute ``drydock``.

    :ivar path: of the file in the example's folder.
    :ivar kind: ``file`` or ``transcript``.
    :ivar region: the part of the file that is shown, or "" for all of it.
    :ivar steps: the steps that a transcript's block shows, by the lines at which they stand in the transcript.
    :ivar patterns: those of the steps whose placeholders it shows, for want of a record.
    """

    slug: str
    path: str
    kind: str = "file"
    region: str = ""
    steps: tuple[int, ...] = ()
    patterns: tuple[int, ...] = ()


@dataclass
class Page:
    """What one page shows.

    :ivar examples: slugs of the examples that it names, in order.
    :ivar blocks: the blocks that examples own.
    :ivar unbound: how many blocks no example owns.
    :ivar inline: how many commands its prose has.
    :ivar census: whether the page shows the census, so that it is written in each build.
    :ivar faulty: whether a warning was given; the page is then read again, so that the next build warns too.
    """

    examples: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    unbound: int = 0
    inline: int = 0
    census: bool = False
    faulty: bool = False


def all_pages(env: BuildEnvironment) -> dict[str, Page]:
    """Return the record of every page read so far, by docname."""
    pages: dict[str, Page] = vars(env).setdefault("drydock_pages", {})
    return pages


def current_page(env: BuildEnvironment) -> Page:
    """Return the record of the page being read."""
    return all_pages(env).setdefault(env.docname, Page())


def example_docname(slug: str) -> str:
    """Return the docname of the example's own page."""
    return f"{FOLDER}/{slug}"


def is_generated(docname: str) -> bool:
    """Return whether the page was generated, rather than written by an author."""
    return docname.startswith(f"{FOLDER}/")


def block_owner(node: nodes.Element) -> Block | None:
    """Return the block that a node shows, or None if no example owns it."""
    return Block(**node["drydock"]) if "drydock" in node else None


def purge_page(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Remove the record of a page that is gone or about to be read again."""
    all_pages(env).pop(docname, None)


def merge_pages(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str], other: BuildEnvironment) -> None:
    """Take over the records of the pages `docnames` from a parallel reader."""
    all_pages(env).update({name: page for name, page in all_pages(other).items() if name in set(docnames)})


def faulty_pages(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Return the pages with a fault: it may be fixed elsewhere, and if not, this build reports it again."""
    return [name for name, page in all_pages(env).items() if page.faulty]


def setup(app: Sphinx) -> None:
    """Keep a record per page."""
    app.connect("env-get-outdated", faulty_pages)
    app.connect("env-purge-doc", purge_page)
    app.connect("env-merge-info", merge_pages)
