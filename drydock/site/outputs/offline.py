"""The built site as one zip, to be read from a folder: ``drydock.zip``, and ``{offline}``, which links it."""

from __future__ import annotations

import re
import stat
import zipfile
from pathlib import Path
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.util.docutils import SphinxDirective

from drydock.model.example import ZIP_TIME
from drydock.site.examples.publish import publishes_files
from drydock.site.pages import all_pages, current_page
from drydock.site.render.units import format_size

#: The file in the output folder, and the folder that it unpacks to.
FILE: Final = "drydock.zip"
FOLDER: Final = "drydock"
#: Not in the zip: what only a host or another build reads, and the page for addresses that a host doesn't have.
HOSTED: Final = frozenset({FILE, "404.html", "_headers", "objects.inv", "searchindex.js", "sitemap.xml"})
_SIZE = re.compile(r'<span class="drydock-zip-size">[^<]*</span>')
_LINE = re.compile(r'<p class="drydock-offline">.*?</p>\s*', re.DOTALL)


class OfflineDirective(SphinxDirective):
    """``{offline}``: a line that links the zip. Its size is filled in when all pages are written."""

    def run(self) -> list[nodes.Node]:
        """Return the line."""
        current_page(self.env).census = True  # written in each build: so is the zip
        link = nodes.inline("", "download the whole site as a zip", drydock_target=FILE)
        size = nodes.raw("", '<span class="drydock-zip-size"></span>', format="html")
        return [nodes.paragraph("", "", nodes.Text("Read offline: "), link, size, classes=["drydock-offline"])]


def write_zip(app: Sphinx, exception: Exception | None) -> None:
    """Write the zip, and its size on the pages that link it. Equal pages give equal bytes."""
    if exception is not None or not publishes_files(app.builder):
        return
    assert isinstance(app.builder, StandaloneHTMLBuilder)
    target: Path = app.outdir / FILE
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(app.outdir.rglob("*")):
            name = path.relative_to(app.outdir).as_posix()
            if path.is_file() and name not in HOSTED and not name.startswith("."):
                archive.writestr(_zip_entry(path, name), _offline_content(path))
    size = f'<span class="drydock-zip-size"> ({format_size(target.stat().st_size)})</span>'
    for name in (name for name, shown in all_pages(app.env).items() if shown.census):
        page: Path = app.builder.get_output_path(name)
        page.write_text(_SIZE.sub(size, page.read_text(encoding="utf-8")), encoding="utf-8")


def _zip_entry(path: Path, name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"{FOLDER}/{name}", ZIP_TIME)
    entry.create_system = 3  # Unix on every machine, so that the modes count
    entry.external_attr = (stat.S_IFREG | (0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _offline_content(path: Path) -> bytes:
    """Return the file's bytes. A page in the zip doesn't link the zip."""
    data = path.read_bytes()
    return _LINE.sub("", data.decode()).encode() if path.suffix == ".html" and b"drydock-offline" in data else data


def setup(app: Sphinx) -> None:
    """Add the directive, and write the zip when all other files are written."""
    app.add_directive("offline", OfflineDirective)
    app.connect("build-finished", write_zip, priority=900)
