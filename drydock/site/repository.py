"""The examples and their evidence, as one build sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from drydock.errors import MalformedError
from drydock.model import commands, evidence as evidences, example as examples
from drydock.model.commands import CommandSet
from drydock.model.evidence import DEFAULT_ENGINE, Evidence, Run
from drydock.model.example import Example
from drydock.model.transcript import Transcript
from drydock.site.warn import Subtype, warn

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.util._pathlib import _StrPath


class CachedExample(Example):
    """An example whose files do not change: what was read once is kept."""

    @cached_property
    def files(self) -> tuple[str, ...]:
        """See :attr:`Example.files`."""
        return super().files

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {}

    @cached_property
    def _parsed(self) -> dict[str, Transcript]:
        return {}

    def read(self, name: str) -> str:
        """See :meth:`Example.read`."""
        if name not in self._texts:
            self._texts[name] = super().read(name)
        return self._texts[name]

    def transcript(self, name: str) -> Transcript:
        """See :meth:`Example.transcript`."""
        if name not in self._parsed:
            self._parsed[name] = super().transcript(name)
        return self._parsed[name]


@dataclass
class Repository:
    """The examples of one repository. Files do not change within a build, so what was read once is kept.

    :ivar top: the repository's top folder.
    :ivar examples: by slug.
    """

    top: Path
    examples: dict[str, CachedExample]
    _evidence: dict[str, Evidence] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)
    _sources: dict[str, list[_StrPath]] = field(default_factory=dict)
    _named: dict[str, list[str]] = field(default_factory=dict)
    _commands: CommandSet | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Leave behind all that was read: the next build, for which the environment is kept, reads it anew."""
        return Repository, (self.top, {})

    def example(self, slug: str) -> Example:
        """Return the example `slug`.

        :raises MissingError: there is none; the message has the near names.
        """
        return examples.pick_examples([slug], self.examples)[0]

    def evidence(self, example: Example) -> Evidence:
        """Return the evidence of `example`.

        :raises MalformedError: it is not evidence.
        """
        if example.slug not in self._evidence:
            self._evidence[example.slug] = evidences.load_evidence(example.slug, self.top)
        return self._evidence[example.slug]

    def digest(self, example: Example) -> str:
        """Return the digest of `example` as it is now."""
        if example.slug not in self._digests:
            self._digests[example.slug] = example.digest()
        return self._digests[example.slug]

    def fresh(self, example: Example) -> dict[str, Run]:
        """Return the runs that speak of `example` as it is now, by engine; that of the default engine is the first.

        :raises MalformedError: the evidence does not parse.
        """
        runs, digest = self.evidence(example).runs, self.digest(example)
        keys = sorted(runs, key=lambda key: (key != DEFAULT_ENGINE, key))
        return {key: runs[key] for key in keys if runs[key].digest == digest}

    def named(self, env: BuildEnvironment) -> list[str]:
        """Return the slugs of the examples that the page being read has named so far."""
        return self._named.get(env.docname, [])

    def commands(self) -> CommandSet:
        """Return the commands that an engine's command line knows.

        :raises MissingError: they were never recorded.
        :raises MalformedError: what was recorded does not parse.
        """
        if self._commands is None:
            self._commands = commands.load_known(self.top)
        return self._commands

    def depend(self, env: BuildEnvironment, example: Example) -> None:
        """Have the page being read be read again when a file, the evidence or the test of `example` changes."""
        if example.slug in self.named(env):
            return
        self._named.setdefault(env.docname, []).append(example.slug)
        if example.slug not in self._sources:
            test = [example.test] if example.test.is_file() else []
            files = [example.root / name for name in example.files]
            every = [*files, evidences.evidence_file(example.slug, self.top), *test]
            self._sources[example.slug] = [env.srcdir / path for path in every]
        env.dependencies.setdefault(env.docname, set()).update(self._sources[example.slug])


def read_repository(app: Sphinx) -> None:
    """Read the examples for this build."""
    top = Path(app.confdir, app.config.drydock_top)
    try:
        found = {slug: CachedExample(example.root) for slug, example in examples.load_examples(top).items()}
    except MalformedError as error:
        warn(Subtype.MALFORMED, error.problem, error.path)
        found = {}
    vars(app.env)["drydock_shelf"] = Repository(top, found)


def get_repository(env: BuildEnvironment) -> Repository:
    """Return the examples of this build."""
    found: Repository = vars(env)["drydock_shelf"]
    return found


def setup(app: Sphinx) -> None:
    """Read the repository when a build starts."""
    # The repository's top folder, relative to that of conf.py.
    app.add_config_value("drydock_top", "", "env", [str])
    app.connect("builder-inited", read_repository)
