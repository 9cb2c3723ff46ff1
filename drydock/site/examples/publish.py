"""Files and zips of the examples, published next to the pages, and links to them."""

from __future__ import annotations

import shutil
from urllib.parse import quote

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.util.osutil import relative_uri

from drydock.model.example import Example
from drydock.site.repository import get_repository

#: The folder of the published files, in the output directory.
FOLDER = "_examples"
#: Where the examples' tests are in it. No slug has an underscore.
TESTS = "_tests"


def published_link(slug: str, path: str, text: str) -> nodes.inline:
    """Return a link to the example's file `path`, where the builder publishes files; else its text."""
    return nodes.inline("", text, drydock_target=f"{FOLDER}/{slug}/{path}")


def has_public_test(example: Example) -> bool:
    """Return whether the example has a test to publish. A link, which could lead anywhere, isn't one."""
    return example.test.is_file() and not example.test.is_symlink()


def source_of_test(example: Example) -> nodes.inline:
    """Return a link to the source of the example's test."""
    return nodes.inline(
        "", f"tests/examples/{example.test.name}", drydock_target=f"{FOLDER}/{TESTS}/{example.test.name}"
    )


def zip_link(slug: str, text: str, unseen: str = "") -> nodes.inline:
    """Return a link to the example's zip; it is dropped where the builder publishes no files.

    :param unseen: text for screen readers, which tells equal links apart.
    """
    link = nodes.inline("", text, drydock_target=f"{FOLDER}/{slug}.zip", drydock_download=True)
    if unseen:
        link += nodes.inline("", unseen, classes=["drydock-unseen"])
    return link


def publishes_files(builder: Builder) -> bool:
    """Return whether `builder` writes a site: a folder of HTML pages, to which files can be added."""
    return builder.name in ("html", "dirhtml")


def link_published(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the published files from one page, or remove the downloads where the builder publishes none."""
    for link in [node for node in doctree.findall(nodes.inline) if "drydock_target" in node]:
        if publishes_files(app.builder):
            link.replace_self(_link_node(app.builder, docname, link))
        elif "drydock_download" in link:
            link.parent.remove(link)


def _link_node(builder: Builder, docname: str, node: nodes.inline) -> nodes.Node:
    uri = published_uri(builder, docname, node["drydock_target"])
    if "drydock_download" in node:
        return addnodes.download_reference("", "", *node.children, refuri=uri, classes=["drydock-zip"])
    return nodes.reference("", "", *node.children, refuri=uri, internal=True)


def published_uri(builder: Builder, docname: str, path: str) -> str:
    """Return the address of the published file `path`, relative to the page `docname`."""
    return quote(relative_uri(builder.get_target_uri(docname), path))


def publish_examples(app: Sphinx, exception: Exception | None) -> None:
    """Write every example's files and zip into the output directory, which replace those of an earlier build."""
    if exception is not None or not publishes_files(app.builder):
        return
    folder = app.outdir / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for example in get_repository(app.env).examples.values():
        example.copy_to(folder)
        (folder / f"{example.slug}.zip").write_bytes(example.zip())
        if has_public_test(example):
            (folder / TESTS).mkdir(exist_ok=True)
            shutil.copyfile(example.test, folder / TESTS / example.test.name)


def setup(app: Sphinx) -> None:
    """Publish the examples' files and link them."""
    app.connect("doctree-resolved", link_published, priority=700)  # Markdown, at 600, makes its own links
    app.connect("build-finished", publish_examples)
