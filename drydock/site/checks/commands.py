"""The commands in prose: each names a subcommand and flags that the command line of a recorded engine knows."""

from __future__ import annotations

from docutils import nodes
from docutils.utils import get_source_line
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from drydock.errors import MalformedError, MissingError
from drydock.model import commands
from drydock.model.commands import CommandSet, is_command
from drydock.model.evidence import DEFAULT_ENGINE
from drydock.site.pages import all_pages, current_page
from drydock.site.repository import get_repository
from drydock.site.warn import Subtype, warn


def list_outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Return the pages with commands in their prose if other commands are recorded now than when they were read.

    A dependency on the files would not do: one that is not there yet would have its pages read in every build.
    """
    before, now = vars(env).get("drydock_commands"), commands.commands_digest(get_repository(env).top)
    vars(env)["drydock_commands"] = now
    return [] if before == now else [name for name, page in all_pages(env).items() if page.inline]


def check_prose(app: Sphinx, doctree: nodes.document) -> None:
    """Report the commands in the prose of a page that was just read which the engine's command line does not know."""
    inline = [node for node in doctree.findall(nodes.literal) if is_command(node.astext()) and not _in_block(node)]
    current_page(app.env).inline = len(inline)
    known = _known_commands(app.env)
    for node in inline:
        problem = known.problem(node.astext()) if known else ""
        if problem:
            current_page(app.env).faulty = True
            warn(Subtype.COMMAND, f"`{node.astext()}`: {problem}", _literal_line(node))


def _known_commands(env: BuildEnvironment) -> CommandSet | None:
    """Return the recorded commands, or None where `check` will say why there are none."""
    try:
        return get_repository(env).commands
    except (MissingError, MalformedError):
        return None


def _in_block(node: nodes.Node) -> bool:
    parent = node.parent
    return parent is not None and (isinstance(parent, nodes.FixedTextElement) or _in_block(parent))


def _literal_line(node: nodes.literal) -> str:
    """Return file:line of `node`. MyST gives all of a paragraph the line on which that begins."""
    source, line = get_source_line(node)
    top: nodes.Element = node
    while isinstance(top, nodes.Inline) and top.parent is not None:
        top = top.parent
    before = ""
    for child in top.findall():
        if child is node:
            break
        before += child.astext() if isinstance(child, nodes.Text) else ""
    return f"{source}:{(line or 1) + before.count(chr(10))}"


def check_recorded(app: Sphinx, env: BuildEnvironment) -> None:
    """Report, once, that recorded commands are malformed, or that pages have commands and none are recorded."""
    inline = sum(page.inline for page in all_pages(env).values())
    try:
        assert get_repository(env).commands
    except MalformedError as error:
        warn(Subtype.MALFORMED, error.problem, error.path)
    except MissingError as error:
        if inline:
            place = (
                commands.commands_file(DEFAULT_ENGINE, get_repository(env).top)
                .relative_to(get_repository(env).top)
                .as_posix()
            )
            warn(Subtype.STALE, f"{inline} commands in prose are not checked: {error}", place)


def setup(app: Sphinx) -> None:
    """Check the commands of each page that is read."""
    app.connect("env-get-outdated", list_outdated)
    app.connect("doctree-read", check_prose)
    app.connect("env-updated", check_recorded)
