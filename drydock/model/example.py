"""An example: one folder under ``examples/``, complete and runnable by itself."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import stat
import textwrap
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from drydock import ROOT
from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model.syntax import canonical_source
from drydock.model.transcript import Transcript, parse_transcript

SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: What editors and interpreters leave behind; never part of an example.
LITTER = {"__pycache__", ".DS_Store", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".venv"}
MARKER = re.compile(r"^\s*(?:#|//|--|;|<!--)\s*(?P<end>end)?region: (?P<name>[a-z][a-z0-9-]*)\s*(?:-->\s*)?$")
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
        """The folder's name, which also starts the name of everything the example makes on an engine."""
        return self.root.name

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the example's files relative to it, with ``/``, sorted."""
        return tuple(sorted(_walk(self.root, self.root)))

    @property
    def transcripts(self) -> tuple[str, ...]:
        """Names of the example's transcripts, sorted."""
        return tuple(PurePosixPath(p).stem for p in self.files if re.fullmatch(r"transcripts/[^/]+\.console", p))

    @property
    def title(self) -> str:
        """The first heading of the example's README.

        :raises MalformedError: the README has no heading.
        """
        return self._readme[0]

    @property
    def idea(self) -> str:
        """The first paragraph of the example's README: its idea, in one or two sentences."""
        return self._readme[1]

    @property
    def _readme(self) -> tuple[str, str]:
        head, _, rest = self.read("README.md").partition("\n")
        if not head.startswith("# "):
            raise MalformedError(self._shown("README.md"), 1, "the first line is to be a heading: '# Title'")
        idea = rest.strip().partition("\n\n")[0]
        if not idea:
            raise MalformedError(self._shown("README.md"), 1, "a first paragraph is to say the example's idea")
        return head[2:].strip(), " ".join(idea.split())

    def path(self, name: str) -> Path:
        """Return the place of the example's file `name`.

        :raises MissingError: there is no such file, or the name leaves the example; nothing was read then.
        """
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not name:
            raise MissingError(f"{name!r} leaves the example {self.slug}")
        place = self.root / pure
        try:
            out, there = not place.resolve().is_relative_to(self.root.resolve()), place.is_file()
        except (OSError, ValueError):  # too long a name, or one with a NUL: there is no such file
            out, there = False, False
        if out:
            raise MissingError(f"{name!r} is a link out of the example {self.slug}")
        if not there:
            raise MissingError(f"no file {name!r} in the example {self.slug}{did_you_mean(name, self.files)}")
        return place

    def read(self, name: str) -> str:
        """Return the text of the example's file `name`.

        :raises MissingError: see :meth:`path`.
        :raises MalformedError: the file is not UTF-8.
        """
        try:
            return self.path(name).read_bytes().decode()
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise MalformedError(self._shown(name), line, f"not UTF-8 ({error.reason})") from error

    def regions(self, name: str) -> dict[str, str]:
        """Return the marked regions of the file `name`, by name, without their markers and common indent.

        A region begins after a comment line ``# region: NAME`` and ends before ``# endregion: NAME``. Regions may
        nest and overlap.

        :raises MalformedError: a region is opened twice, closed without being open, never closed, or empty.
        """
        found: dict[str, list[str]] = {}
        still_open: dict[str, int] = {}
        for number, line in enumerate(_lines(self.read(name)), start=1):
            marker = _marker(line)
            if marker is None:
                for region in still_open:
                    found[region].append(line)
            elif marker["end"]:
                if still_open.pop(marker["name"], None) is None:
                    raise MalformedError(self._shown(name), number, f"region {marker['name']} ends but never began")
                if not any(text.strip() for text in found[marker["name"]]):
                    raise MalformedError(self._shown(name), number, f"region {marker['name']} is empty")
            elif marker["name"] in found:
                raise MalformedError(self._shown(name), number, f"region {marker['name']} begins a second time")
            else:
                found[marker["name"]] = []
                still_open[marker["name"]] = number
        for region, number in still_open.items():
            raise MalformedError(self._shown(name), number, f"region {region} never ends")
        return {region: textwrap.dedent("\n".join(lines)).strip("\n") for region, lines in found.items()}

    def shown(self, name: str, region: str | None = None) -> str:
        """Return the text that a page shows: a file, or one of its regions, without region markers.

        :raises MissingError: no such file or region.
        :raises MalformedError: see :meth:`read` and :meth:`regions`.
        """
        regions = self.regions(name)
        if region is None:
            return "\n".join(line for line in _lines(self.read(name)) if not _marker(line)).strip("\n")
        if region not in regions:
            raise MissingError(f"no region {region!r} in {self._shown(name)}{did_you_mean(region, regions)}")
        return regions[region]

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
        """The place of the example's test."""
        return self.root.parent.parent / "tests" / "examples" / f"test_{self.slug.replace('-', '_')}.py"

    def digest(self, *, readme: bool = True) -> str:
        """Return the sha256 (hex) of the example's files (names, modes, bytes) and of its test's syntax tree.

        Evidence carries it. Evidence with another digest is stale: it was recorded for other files. Comments and
        formatting of the test don't count, because they change neither what runs nor the sentences on the site (see
        :func:`drydock.model.syntax.canonical_source`). Names of a transcript's steps don't count, either.

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
        """Copy the example's files to `folder`/slug and return that place: what a reader copies is what is tested."""
        target = folder / self.slug
        for name in self.files:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.root / name, target / name)
        return target

    def _shown(self, name: str) -> str:
        return f"examples/{self.slug}/{name}"


def without_step_names(transcript: bytes) -> bytes:
    """Return a transcript without the names of its steps: with others, or none, it runs in the same way."""
    lines = transcript.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"#% name "))


def load_examples(top: Path = ROOT) -> dict[str, Example]:
    """Return the examples of the repository at `top`, by slug.

    :raises MalformedError: a folder's name is not a slug.
    """
    folder = top / "examples"
    roots = sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in LITTER) if folder.is_dir() else []
    for root in roots:
        if not SLUG.fullmatch(root.name):
            raise MalformedError(f"examples/{root.name}", 0, "a slug is lower-case words joined by hyphens")
    return {root.name: Example(root) for root in roots}


def pick_examples(slugs: Sequence[str], known: Mapping[str, Example]) -> list[Example]:
    """Return the examples named by `slugs`, or all when none is named.

    :raises MissingError: an unknown slug; the message lists the known ones, nearest first.
    """
    for slug in slugs:
        if slug not in known:
            raise MissingError(f"no example {slug!r}{did_you_mean(slug, known)}")
    return [known[slug] for slug in slugs] if slugs else list(known.values())


def _walk(folder: Path, root: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.name in LITTER or entry.suffix == ".pyc":
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, root)
        elif entry.is_file() and (not entry.is_symlink() or entry.resolve().is_relative_to(root.resolve())):
            yield entry.relative_to(root).as_posix()


def _lines(text: str) -> list[str]:
    """Return the lines of a file as a shell or a builder counts them: a form feed, for one, ends none."""
    return text.replace("\r\n", "\n").split("\n")


def _marker(line: str) -> re.Match[str] | None:
    return MARKER.match(line) if "region: " in line else None  # few lines are worth a look


def _runnable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
