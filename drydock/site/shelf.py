"""The examples and their evidence, as one build sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from drydock import commands, evidence as evidences, example as examples
from drydock.commands import CommandSet
from drydock.errors import MalformedError
from drydock.evidence import Evidence
from drydock.example import Example
from drydock.site.warn import Subtype, warn

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


@dataclass
class Shelf:
    """The examples of one repository. Files do not change within a build, so what was read once is kept.

    :ivar top: the repository's top folder.
    :ivar examples: by slug.
    """

    top: Path
    examples: dict[str, Example]
    _evidence: dict[str, Evidence] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)
    _sources: dict[str, list[Path]] = field(default_factory=dict)
    _commands: CommandSet | None = None

    def example(self, slug: str) -> Example:
        """Return the example `slug`.

        :raises MissingError: there is none; the message has the near names.
        """
        return examples.pick([slug], self.examples)[0]

    def evidence(self, example: Example) -> Evidence:
        """Return the evidence of `example`.

        :raises MalformedError: it is not evidence.
        """
        if example.slug not in self._evidence:
            self._evidence[example.slug] = evidences.load(example.slug, self.top)
        return self._evidence[example.slug]

    def digest(self, example: Example) -> str:
        """Return the digest of `example` as it is now."""
        if example.slug not in self._digests:
            self._digests[example.slug] = example.digest()
        return self._digests[example.slug]

    def commands(self) -> CommandSet:
        """Return the commands that an engine's command line knows.

        :raises MissingError: they were never recorded.
        :raises MalformedError: what was recorded does not parse.
        """
        if self._commands is None:
            self._commands = commands.known(self.top)
        return self._commands

    def depend(self, env: BuildEnvironment, example: Example) -> None:
        """Have the page being read be read again when a file, the evidence or the test of `example` changes."""
        if example.slug not in self._sources:
            test = [example.test] if example.test.is_file() else []
            files = [example.root / name for name in example.files]
            self._sources[example.slug] = [*files, evidences.path(example.slug, self.top), *test]
        for path in self._sources[example.slug]:
            env.note_dependency(path)


def fill(app: Sphinx) -> None:
    """Read the examples for this build."""
    top = Path(app.confdir, app.config.drydock_top)
    try:
        found = examples.load(top)
    except MalformedError as error:
        warn(Subtype.MALFORMED, error.problem, error.path)
        found = {}
    vars(app.env)["drydock_shelf"] = Shelf(top, found)


def shelf(env: BuildEnvironment) -> Shelf:
    """Return the examples of this build."""
    found: Shelf = vars(env)["drydock_shelf"]
    return found
