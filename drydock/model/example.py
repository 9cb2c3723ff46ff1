"""An example: one folder under ``examples/``, complete and runnable by itself."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT, store
from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model.characters import check_characters
from drydock.model.regions import parse_regions
from drydock.model.syntax import canonical_source
from drydock.model.transcript import Transcript, parse_transcript

SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TRANSCRIPT = re.compile(r"transcripts/([^/]+)\.console")
#: Left behind by editors and interpreters; never part of an example.
LITTER = {"__pycache__", ".DS_Store", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".venv"}
#: Every entry of a zip carries this time, so that equal files give equal bytes.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Example:
    """One idea, as a folder that a reader can ``cd`` into and run.

    :ivar root: the folder; its name is the slug.
    """

    root: Path

    @property
    def slug(self) -> str:
        """The folder's name. Names of the example's images, containers, networks and volumes start with it."""
        return self.root.name

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the example's files relative to it, with ``/``, sorted."""
        return tuple(sorted(_walk(self.root, self.root)))

    @property
    def transcripts(self) -> tuple[str, ...]:
        """Names of the example's transcripts, sorted."""
        return tuple(match[1] for name in self.files if (match := _TRANSCRIPT.fullmatch(name)))

    @property
    def title(self) -> str:
        """The first heading of the example's README.

        :raises MalformedError: the README has no heading.
        """
        return self._readme[0]

    @property
    def idea(self) -> str:
        """The first paragraph of the README: the example's idea, in one or two sentences."""
        return self._readme[1]

    @property
    def _readme(self) -> tuple[str, str]:
        shown = self._shown("README.md")
        head, *rest = self._lines("README.md")
        title = head.removeprefix("# ").strip()
        if not head.startswith("# ") or not title:
            raise MalformedError(shown, 1, "the first line has to be a heading: '# Title'")
        idea = re.split(r"\n\s*\n", "\n".join(rest).strip(), maxsplit=1)[0]
        if not idea:
            raise MalformedError(shown, 1, "the first paragraph, which says the example's idea, is missing")
        return title, " ".join(idea.split())

    def path(self, name: str) -> Path:
        """Return the path of the example's file `name`. All names are resolved here.

        :raises MissingError: `name` isn't one of :attr:`files`.
        """
        if name not in self.files:
            raise MissingError(f"no file {name!r} in the example {self.slug}{did_you_mean(name, self.files)}")
        return self.root / name

    def read(self, name: str) -> str:
        """Return the text of the example's file `name`.

        :raises MissingError: see :meth:`path`.
        :raises MalformedError: the file is not UTF-8.
        """
        return store.read_text(self.path(name), self._shown(name))

    def regions(self, name: str) -> dict[str, str]:
        """Return the marked regions of the file `name`, see :func:`drydock.model.regions.parse_regions`.

        :raises MissingError: see :meth:`path`.
        :raises MalformedError: see :meth:`shown`.
        """
        return self._parsed_regions(name)[1]

    def shown(self, name: str, region: str | None = None) -> str:
        """Return the text that a page shows: a file, or one of its regions, without region markers.

        :raises MissingError: no such file or region.
        :raises MalformedError: the file is empty, isn't UTF-8, or has wrong markers or characters that can't be shown;
            or it is a session that is not among the transcripts, so that no test replays it.
        """
        plain, regions = self._parsed_regions(name)
        if region is not None and region not in regions:
            raise MissingError(f"no region {region!r} in {self._shown(name)}{did_you_mean(region, regions)}")
        text = plain if region is None else regions[region]
        if not text.strip():
            raise MalformedError(self._shown(name), 0, "is empty; there is nothing to show")
        return text

    def _parsed_regions(self, name: str) -> tuple[str, dict[str, str]]:
        if name.endswith(".console") and not _TRANSCRIPT.fullmatch(name):
            raise MalformedError(self._shown(name), 0, "no test replays it; move it to transcripts/")
        plain, regions = parse_regions(self._lines(name), self._shown(name))
        return "\n".join(plain).strip("\n"), regions

    def _lines(self, name: str) -> list[str]:
        """Return the lines of a file as a shell or a builder counts them: a form feed, for one, ends none."""
        text = self.read(name).replace("\r\n", "\n")
        check_characters(text, self._shown(name))
        return text.split("\n")

    def transcript(self, name: str) -> Transcript:
        """Return the transcript `name`.

        :raises MissingError: no such transcript.
        :raises MalformedError: it does not parse; the message names file and line.
        """
        path = f"transcripts/{name}.console"
        if name not in self.transcripts:
            raise MissingError(
                f"no transcript {name!r} in the example {self.slug}{did_you_mean(name, self.transcripts)}"
            )
        return parse_transcript(self.read(path), self._shown(path))

    @property
    def test(self) -> Path:
        """The path of the example's test."""
        return self.root.parent.parent / "tests" / "examples" / f"test_{self.slug.replace('-', '_')}.py"

    def digest(self, *, readme: bool = True) -> str:
        """Return the sha256 (hex) of the example's files (names, modes, bytes) and of its test's syntax tree.

        Evidence carries it. Evidence with another digest is stale: it was recorded for other files. Comments and
        formatting of the test don't count, because they change neither what runs nor the sentences on the site (see
        :func:`drydock.model.syntax.canonical_source`). Names of a transcript's steps don't count, nor does
        ``tests/examples/<slug>.toml``: neither changes a run.

        :param readme: whether the README counts. Tests don't read it, but an image may contain it.
        """
        whole = hashlib.sha256()
        for name in self.files:
            if name == "README.md" and not readme:
                continue
            mode = "x" if _runnable(self.root / name) else "-"
            data = (self.root / name).read_bytes()
            if name.startswith("transcripts/"):
                data = without_step_names(data)
            whole.update(f"{name}\0{mode}\0{_sha256(data)}\n".encode())
        if self.test.is_file():
            whole.update(f"test\0-\0{_sha256(canonical_source(self.test.read_bytes()))}\n".encode())
        return whole.hexdigest()

    def zip(self) -> bytes:
        """Return a zip of the example's folder. Equal files give equal bytes, on every machine."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name in self.files:
                entry = zipfile.ZipInfo(f"{self.slug}/{name}", ZIP_TIME)
                entry.create_system = 3  # Unix, whatever builds the site, so that the modes count
                entry.external_attr = (stat.S_IFREG | (0o755 if _runnable(self.root / name) else 0o644)) << 16
                archive.writestr(entry, (self.root / name).read_bytes())
        return buffer.getvalue()

    def copy_to(self, folder: Path) -> Path:
        """Copy the example's files to `folder`/slug and return that path. Tests run in such copies, as readers do."""
        target = folder / self.slug
        for name in self.files:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.root / name, target / name)
        return target

    def _shown(self, name: str) -> str:
        return f"examples/{self.slug}/{name}"


def without_step_names(transcript: bytes) -> bytes:
    """Return a transcript without the names of its steps, which don't change a run."""
    lines = transcript.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"#% name "))


def load_examples(top: Path = ROOT) -> dict[str, Example]:
    """Return the examples of the repository at `top`, by slug.

    :raises MalformedError: see :func:`open_example`.
    """
    return {root.name: open_example(root) for root in example_folders(top)}


def example_folders(top: Path) -> list[Path]:
    """Return the folders below ``examples/`` of the repository at `top`, sorted."""
    folder = top / "examples"
    return sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in LITTER) if folder.is_dir() else []


def open_example(root: Path) -> Example:
    """Return the example in the folder `root`.

    :raises MalformedError: the folder's name is not a slug, the folder is a link, or a file's name can't be shown.
    """
    shown, example = f"examples/{root.name}", Example(root)
    if not SLUG.fullmatch(root.name):
        raise MalformedError(shown, 0, "a slug is lower-case words joined by hyphens")
    if root.is_symlink():
        raise MalformedError(shown, 0, "a link; copy the folder here, or remove the link")
    unprintable = next((name for name in example.files if not name.isprintable()), None)  # not UTF-8, or a line end
    if unprintable is not None:
        raise MalformedError(shown, 0, f"the file name {unprintable!a} can't be shown on a page; rename the file")
    return example


def pick_examples(slugs: Sequence[str], examples: Mapping[str, Example]) -> list[Example]:
    """Return the examples with these slugs, or all of them if there are no slugs.

    :raises MissingError: an unknown slug; the message lists the others, most similar first.
    """
    for slug in slugs:
        if slug not in examples:
            raise MissingError(f"no example {slug!r}{did_you_mean(slug, examples)}")
    return [examples[slug] for slug in slugs] if slugs else list(examples.values())


def _walk(folder: Path, root: Path) -> Iterator[str]:
    """Yield the files below `folder`. A link counts if it leads to a file of the example itself, litter excluded."""
    for entry in folder.iterdir():
        if _is_litter(entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, root)
        elif entry.is_file() and (not entry.is_symlink() or _stays_within(entry.resolve(), root.resolve())):
            yield entry.relative_to(root).as_posix()


def _is_litter(name: str) -> bool:
    return name in LITTER or name.endswith(".pyc")


def _stays_within(target: Path, root: Path) -> bool:
    return target.is_relative_to(root) and not any(map(_is_litter, target.relative_to(root).parts))


def _runnable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
