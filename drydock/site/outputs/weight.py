"""Files and marks that a page doesn't use are left out of it: a fifth of its weight."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from drydock.site.examples.publish import publishes_files

#: Marks around words of code and around the text of links that no style sheet of the theme styles.
_UNSTYLED = re.compile(r'<span class="(?:pre|doc|std std-doc|xref myst)">([^<]*)</span>')
#: A class of sphinx-design's style sheet. The site's own, with a twentieth of the rules, styles tabs and dropdowns.
#: It begins with letters, which are found faster than a word boundary.
_DESIGN_CLASS = re.compile(r'sd-(?<!\wsd-)(?!tab-|dropdown|sphinx-override|summary-|card[" -]|mb-3|octicon)')
#: Restores a choice among tabs before the page is painted.
_CHOICE = "choice.js"
_HIGHLIGHT_RULE = re.compile(r"(?P<scope>.* )(?P<kind>\.\w+) \{ (?P<look>.*) \}(?: /\*.*\*/)?")


def drop_unused(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Drop the marks that nothing styles, and the files that only cards and tabs need."""
    if not publishes_files(app.builder):
        return
    for part in {"body", "toc"} & context.keys():
        context[part] = _UNSTYLED.sub(r"\1", context[part])
    body = context.get("body", "")
    if "sd-tab-" in body:
        early = [context["js_tag"](file) for file in context["script_files"] if _CHOICE in str(file.filename)]
        context["metatags"] = context.get("metatags", "") + "\n".join(early)
    for kind, name, used in (
        ("css_files", "sphinx-design", _DESIGN_CLASS.search(body)),
        ("script_files", "design-tabs", "sd-" in body),  # the front page has cards, and the next page often has tabs
        ("script_files", _CHOICE, False),  # in the head, if anywhere
    ):
        if not used:
            context[kind] = [file for file in context.get(kind, ()) if name not in str(file.filename)]


def merge_highlighting(app: Sphinx, exception: Exception | None) -> None:
    """Merge the rules of the highlighting that look alike: a first visit loads them, and most token types do."""
    path = app.outdir / "_static" / "pygments.css"
    if exception is None and publishes_files(app.builder) and path.is_file():
        path.write_text(merge_rules(path.read_text(encoding="utf-8")), encoding="utf-8")


def merge_rules(css: str) -> str:
    """Return a style sheet of Pygments with one rule per look, and without rules for line numbers.

    Rules for token types are independent of each other, so their order doesn't matter.
    """
    lines: list[str] = []
    looks: dict[tuple[str, str], list[str]] = {}
    for line in [*css.splitlines(), ""]:
        rule = _HIGHLIGHT_RULE.fullmatch(line)
        if rule:
            looks.setdefault((rule["scope"], rule["look"]), []).append(rule["kind"])
            continue
        lines += [f"{scope}:is({', '.join(kinds)}) {{ {look} }}" for (scope, look), kinds in looks.items()]
        looks.clear()
        if "linenos" not in line:
            lines.append(line)
    return "\n".join(lines)


def setup(app: Sphinx) -> None:
    """Lighten each page, and what all pages load."""
    app.connect("html-page-context", drop_unused, priority=550)  # when the body is whole
    app.connect("build-finished", merge_highlighting, priority=600)  # the theme writes the file at 500
