"""Terms of the glossary where a page uses them: the word opens the first sentence that the glossary has on it.

It is a button and a popover, which need no script, and which keyboard and touch open as a pointer does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docutils import nodes
from markupsafe import Markup
from sphinx import addnodes

from drydock.site.examples.publish import publishes_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

#: What a page says of terms, and whether it uses those of another one.
TOLD, USES = "drydock_terms", "drydock_uses_terms"
_OPEN = '<button type="button" popovertarget="{}" popovertargetaction="show">'
_POPOVER = '<span popover id="{}">{} <a class="reference internal" href="{}">Glossary</a></span>'


def read(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the first sentence on each term of a page that was just read, and whether the page uses terms."""
    kept = app.env.metadata[app.env.docname]
    items = [item for found in doctree.findall(addnodes.glossary) for item in found.findall(nodes.definition_list_item)]
    if items:
        kept[TOLD] = {each: sentence(item) for item in items for each in _ids(item)}
    if any(each.get("reftype") == "term" for each in doctree.findall(addnodes.pending_xref)):
        kept[USES] = True


def _ids(item: nodes.definition_list_item) -> Iterator[str]:
    for term in item.findall(nodes.term):
        yield from term["ids"]


def sentence(item: nodes.definition_list_item) -> str:
    """Return the first sentence on a term, without the page that it ends with."""
    said = " ".join(item.children[-1].astext().split())
    first = re.split(r"(?<=[^.]\.) |; see ", said, maxsplit=1)[0]
    return f"{first.removesuffix('.')}."


def changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages that use terms, to be written anew, if the glossary says now what it did not say before."""
    told = {name: kept[TOLD] for name, kept in env.metadata.items() if TOLD in kept}
    if vars(env).get(TOLD) == told:
        return []
    vars(env)[TOLD] = told
    return [name for name, kept in env.metadata.items() if USES in kept]


def show(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make the links of a page to terms that another page explains open what that says."""
    if not publishes_files(app.builder) or USES not in app.env.metadata[docname]:
        return
    told = {
        f"{app.builder.get_relative_uri(docname, name)}#{each}": said
        for name, kept in app.env.metadata.items()
        for each, said in kept.get(TOLD, {}).items()
    }
    links = [link for link in doctree.findall(nodes.reference) if link.get("refuri") in told and _is_term(link)]
    for number, link in enumerate(links, start=1):
        link.replace_self(_opening(link, told[link["refuri"]], f"told-{number}"))


def _is_term(link: nodes.reference) -> bool:
    return any("std-term" in each["classes"] for each in link.findall(nodes.inline))


def _opening(link: nodes.reference, said: str, unique: str) -> nodes.inline:
    word = [child for each in link.children for child in each.children]
    popover = nodes.raw("", Markup(_POPOVER).format(unique, said, link["refuri"]), format="html")
    # A search is to find the pages that tell of it, and not those that use the word.
    unfound = nodes.inline("", "", popover, classes=["no-search"])
    begin, end = (nodes.raw("", text, format="html") for text in (_OPEN.format(unique), "</button>"))
    return nodes.inline("", "", begin, *word, end, unfound, classes=["drydock-term"])


def setup(app: Sphinx) -> None:
    """Collect the glossary's sentences, and show them where a page uses a term."""
    app.connect("doctree-read", read)
    app.connect("env-updated", changed)
    app.connect("doctree-resolved", show, priority=700)  # Markdown, at 600, has the links
