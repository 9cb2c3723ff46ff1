"""A small site for tests, built in-process: no engine, no network."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from drydock.model import evidence
from drydock.model.evidence import Evidence, Replayed, Run
from drydock.model.example import Example

ENGINE = {"name": "Docker", "version": "28.5.2", "store": "overlay2", "base_images": "stand-ins"}
CONF = """
extensions = ["myst_parser", "drydock.site"]
myst_enable_extensions = ["colon_fence"]
html_theme = "basic"
"""
DOCKERFILE = """\
FROM debian:trixie-slim
# region: user
USER 10001
# endregion: user
CMD ["id"]
"""
RUN = """\
#% name build
$ docker build -t greeting .
...
#% name run
$ docker run --rm \\
>   greeting
<script>alert(1)</script>
\\$ not a command
[exit 3]
"""


@dataclass
class Built:
    """What one build did. The paths in its warnings are relative to the site's top folder."""

    warnings: list[str]
    read: list[str]
    written: list[str]
    said: str
    out: Path
    census: dict[str, int]

    def text(self, name: str) -> str:
        """Return what the file `name` of the output holds."""
        return (self.out / name).read_text(encoding="utf-8")


class Site:
    """A repository with one sound example, ``greeting``, which its first page shows."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.write("conf.py", CONF)
        self.example("greeting", {"Dockerfile": DOCKERFILE, "transcripts/run.console": RUN})
        self.page("first", ":::{example} greeting/Dockerfile\n:::")

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file and return its place."""
        place = self.top / name
        place.parent.mkdir(parents=True, exist_ok=True)
        data = text if isinstance(text, bytes) else text.encode()
        if not place.is_file() or place.read_bytes() != data:  # an equal file keeps its time
            place.write_bytes(data)
        return place

    def page(self, name: str, body: str) -> None:
        """Write a page whose body begins on line 3."""
        self.write(f"docs/{name}.md", f"# {name}\n\n{body}\n")
        names = sorted(page.stem for page in (self.top / "docs").glob("*.md") if page.stem != "index")
        entries = "\n".join([*names, "examples/index"])
        self.write("docs/index.md", f"# Top\n\n```{{toctree}}\n{entries}\n```\n")

    def example(self, slug: str, files: dict[str, str | bytes]) -> Example:
        """Write an example with evidence that is up to date; it has a README unless `files` has one."""
        for name, text in {"README.md": f"# The {slug}\n\nIts `idea`.\n", **files}.items():
            self.write(f"examples/{slug}/{name}", text)
        self.record(slug)
        return Example(self.top / "examples" / slug)

    def record(self, slug: str, **proven: object) -> None:
        """Write evidence for the example as it is now."""
        example = Example(self.top / "examples" / slug)
        transcripts = {name: Replayed(2, "passed") for name in example.transcripts}
        run = Run(example.digest(), "2026-11-20", ENGINE, **{"transcripts": transcripts, **proven})
        evidence.save_evidence(Evidence(slug, {evidence.DEFAULT_ENGINE: run}), self.top)

    def build(self, builder: str = "html", parallel: int = 1) -> Built:
        """Build as far as an earlier build did not, and return what that did."""
        out, warned, said = self.top / "_build" / builder, io.StringIO(), io.StringIO()
        doctrees = self.top / "_build" / "doctrees"
        read: list[str] = []
        written: list[str] = []
        with patch_docutils(self.top), docutils_namespace():
            app = Sphinx(self.top / "docs", self.top, out, doctrees, builder, None, said, warned, parallel=parallel)
            app.connect("doctree-read", lambda app, doctree: read.append(app.env.docname))
            app.connect("doctree-resolved", lambda app, doctree, docname: written.append(docname))
            app.build()
        counted = out / "drydock-census.json"
        census = json.loads(counted.read_text(encoding="utf-8")) if counted.is_file() else {}
        plain = re.sub(r"\x1b\[[0-9;]*m", "", warned.getvalue()).replace(f"{self.top}/", "")
        return Built(plain.splitlines(), sorted(read), written, said.getvalue(), out, census)
