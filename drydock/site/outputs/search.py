"""The index of the search as ``search.js`` reads it: Sphinx's, without what that leaves unread."""

from __future__ import annotations

import json
import re

from sphinx.application import Sphinx

from drydock.site.examples.publish import publishes_files

#: The file that the page of results loads.
FILE = "drydock-search.js"
#: IDs, digests, and keys in what a command printed: they differ each time, and would be most of the index.
_ID = re.compile(r"(?=.*\d)([0-9a-f]{8,64}|[0-9a-z]{20,})")


def write_index(app: Sphinx, exception: Exception | None) -> None:
    """Write the lighter index. Sphinx's own stays for the next build, which goes on from it."""
    full = app.outdir / "searchindex.js"
    if exception is not None or not publishes_files(app.builder) or not full.is_file():
        return
    text = full.read_text(encoding="utf-8")
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    words = {word: set(_page_indexes(index["terms"], word)) for word in index["terms"] if not _ID.fullmatch(word)}
    for word in index["titleterms"]:
        words.setdefault(word, set()).update(_page_indexes(index["titleterms"], word))
    kept = {name: index[name] for name in ("docnames", "titles")}
    kept["alltitles"] = {
        title: [[page] if anchor == _usual_anchor(title) else [page, anchor] for page, anchor in places]
        for title, places in index["alltitles"].items()
    }
    kept["terms"] = {word: sorted(pages) for word, pages in sorted(words.items())}
    slim = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    (app.outdir / FILE).write_text(f"Search.setIndex({slim})\n", encoding="utf-8")


def _usual_anchor(title: str) -> str:
    """Return the anchor that ``search.js`` makes from a heading, so that the index doesn't have to hold it."""
    return re.sub(r"^[-0-9]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", title.lower()))


def _page_indexes(words: dict[str, int | list[int]], word: str) -> list[int]:
    """Return the numbers of the pages with `word`; Sphinx writes a single one without brackets."""
    found = words[word]
    return found if isinstance(found, list) else [found]


def setup(app: Sphinx) -> None:
    """Write the index after Sphinx has written its own."""
    app.connect("build-finished", write_index)
