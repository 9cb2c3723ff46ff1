"""Mistakes of authors as warnings with a type, a subtype, and a location."""

from __future__ import annotations

import re
from enum import Enum

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from drydock.errors import MalformedError, MissingError
from drydock.site.pages import current_page

WARNING_TYPE = "example"
_logger = logging.getLogger(__name__)


class Subtype(Enum):
    """The kinds of mistakes; ``suppress_warnings`` knows them as ``example.missing`` and so on."""

    MISSING = "missing"
    """Something is named that there is not: an example, file, region, transcript, step, measure, or table."""
    UNBOUND = "unbound"
    """A block that no example owns, or fewer blocks than the floor kept in git asks for."""
    ORPHAN = "orphan"
    """An example that no page shows, apart from its own."""
    STALE = "stale"
    """An example without evidence, or with evidence of other files."""
    MALFORMED = "malformed"
    """A transcript, region, README or evidence that does not parse."""
    COMMAND = "command"
    """A command in prose that the engine's command line doesn't have."""


def warn(subtype: Subtype, message: str, location: str | nodes.Node) -> None:
    """Report an author's mistake.

    :param location: a node, or a path as the author knows it, with ``:line``; a file as a whole is its line 1.
    """
    if isinstance(location, str) and not re.search(r":\d+$", location):
        location += ":1"  # Sphinx takes a path without a line for the name of a page
    _logger.warning(message, type=WARNING_TYPE, subtype=subtype.value, location=location)


def warn_of(error: MissingError | MalformedError, env: BuildEnvironment, location: str) -> None:
    """Report `error` at the `location` on the page being read, which will be read again in the next build."""
    warn(Subtype.MISSING if isinstance(error, MissingError) else Subtype.MALFORMED, str(error), location)
    current_page(env).faulty = True
