"""The examples and their evidence, as one build sees them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from drydock.errors import MalformedError
from drydock.model import commands, evidence as evidences, example as examples
from drydock.model.commands import CommandSet
from drydock.model.evidence import DEFAULT_ENGINE, Evidence, Run
from drydock.model.example import Example
from drydock.model.exercises import load_exercises
from drydock.model.expectations import Exercise
from drydock.model.transcript import Transcript
from drydock.model.walkthroughs import Walkthrough, load_walkthroughs
from drydock.site.pages import all_pages, current_page
from drydock.site.warn import Subtype, warn

#: The state of an example's files: while it is the same, so is the digest.
FileStamps: TypeAlias = list[tuple[str, int, int, int]]


class CachedExample(Example):
    """An example whose files are read once: they don't change within a build."""

    @cached_property
    def files(self) -> tuple[str, ...]:
        """See :attr:`Example.files`."""
        return super().files

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {}

    @cached_property
    def _transcripts(self) -> dict[str, Transcript]:
        return {}

    @cached_property
    def _digest(self) -> str:
        return super().digest()

    def read(self, name: str) -> str:
        """See :meth:`Example.read`."""
        if name not in self._texts:
            self._texts[name] = super().read(name)
        return self._texts[name]

    def transcript(self, name: str) -> Transcript:
        """See :meth:`Example.transcript`."""
        if name not in self._transcripts:
            self._transcripts[name] = super().transcript(name)
        return self._transcripts[name]

    def digest(self, *, readme: bool = True) -> str:
        """See :meth:`Example.digest`."""
        return self._digest if readme else super().digest(readme=False)

    def reuse_digest(self, stamp: FileStamps, digest: str) -> None:
        """Take the `digest` of an earlier build, if the files still have the `stamp` of then."""
        if stamp == self.stamp():
            vars(self)["_digest"] = digest

    def stamp(self) -> FileStamps:
        """Return the name, mode, size, and time of change of each file and of the test."""
        paths = [self.root / name for name in self.files] + ([self.test] if self.test.is_file() else [])
        states = [(str(path), path.stat()) for path in paths]
        return [(name, state.st_mode, state.st_size, state.st_mtime_ns) for name, state in states]


@dataclass
class Repository:
    """The examples of one repository, with their evidence.

    :ivar top: the repository's top folder.
    :ivar examples: by slug.
    """

    top: Path
    examples: dict[str, CachedExample]
    _evidence: dict[str, Evidence] = field(default_factory=dict)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle nothing that was read: the next build, which loads the environment, reads it again."""
        return Repository, (self.top, {})

    def example(self, slug: str) -> Example:
        """Return the example `slug`.

        :raises MissingError: there is none; the message has similar slugs.
        """
        return examples.pick_examples([slug], self.examples)[0]

    def evidence(self, example: Example) -> Evidence:
        """Return the evidence of `example`.

        :raises MalformedError: it is not evidence.
        """
        if example.slug not in self._evidence:
            stored = evidences.load_evidence(example.slug, self.top)
            self._evidence[example.slug] = dataclasses.replace(stored, digest=example.digest())
        return self._evidence[example.slug]

    def current_runs(self, example: Example) -> dict[str, Run]:
        """Return the runs of `example` as it is now, by engine, the default engine first.

        :raises MalformedError: the evidence does not parse.
        """
        runs = self.evidence(example).runs
        keys = sorted(runs, key=lambda key: (key != DEFAULT_ENGINE, key))
        return {key: runs[key] for key in keys if runs[key].digest == example.digest()}

    @cached_property
    def commands(self) -> CommandSet:
        """Return the commands that an engine's command line knows.

        :raises MissingError: they were never recorded.
        :raises MalformedError: what was recorded does not parse.
        """
        return commands.load_known(self.top)

    @cached_property
    def walkthroughs(self) -> dict[str, Walkthrough]:
        """Return the recorded walkthroughs, by docname.

        :raises MalformedError: what was recorded does not parse.
        """
        return load_walkthroughs(self.top)

    @cached_property
    def exercises(self) -> dict[str, Exercise]:
        """Return the exercises, by the slug of their example.

        :raises MalformedError: a file of expectations does not parse.
        """
        return load_exercises(self.top)

    def depend(self, env: BuildEnvironment, example: Example) -> None:
        """Let a change of the files, the evidence, or the test of `example` outdate the page being read."""
        page = current_page(env)
        if example.slug not in page.examples:
            page.examples.append(example.slug)
            for path in (
                *(example.root / name for name in example.files),
                evidences.evidence_file(example.slug, self.top),
            ):
                env.note_dependency(path)


def read_repository(app: Sphinx) -> None:
    """Read the examples for this build."""
    top = Path(app.confdir, app.config.drydock_top)
    opened = {}
    for root in examples.example_folders(top):
        try:
            opened[root.name] = CachedExample(examples.open_example(root).root)
        except MalformedError as error:
            warn(Subtype.MALFORMED, error.problem, error.path)
    for example in opened.values():
        if example.test.is_symlink():
            problem = "a link, which could lead anywhere, is not published; copy the test here"
            warn(Subtype.MALFORMED, problem, f"tests/examples/{example.test.name}")
    vars(app.env)["drydock_repository"] = Repository(top, opened)


def get_repository(env: BuildEnvironment) -> Repository:
    """Return the examples of this build."""
    repository: Repository = vars(env)["drydock_repository"]
    return repository


def outdated_pages(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Return the pages that name an example whose digest changed: dependencies miss new files, modes, and tests."""
    before: dict[str, tuple[FileStamps, str]] = vars(env).get("drydock_digests", {})
    known = get_repository(env).examples
    for slug in before.keys() & known.keys():
        known[slug].reuse_digest(*before[slug])
    vars(env)["drydock_digests"] = {slug: (example.stamp(), example.digest()) for slug, example in known.items()}
    unchanged = {slug for slug, (_, digest) in before.items() if slug in known and known[slug].digest() == digest}
    changes = (before.keys() | known.keys()) - unchanged
    return [name for name, page in all_pages(env).items() if changes.intersection(page.examples)]


def setup(app: Sphinx) -> None:
    """Read the repository when a build starts."""
    # The repository's top folder, relative to that of conf.py.
    app.add_config_value("drydock_top", "", "env", [str])
    app.connect("builder-inited", read_repository)
    app.connect("env-get-outdated", outdated_pages)
