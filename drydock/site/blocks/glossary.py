"""Popovers for the terms of the glossary: a term on another page opens the first sentence of its definition.

A button and a popover need no script, and open by keyboard, touch, and pointer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from markupsafe import Markup
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from drydock.site.examples.publish import publishes_files

#: Keys of a page's metadata: the sentences on the terms that it defines, and whether it uses terms.
DEFINES, USES = "drydock_terms", "drydock_uses_terms"
_OPEN = '<button type="button" popovertarget="{}" popovertargetaction="show">'
_POPOVER = '<span popover id="{}">{} <a class="reference internal" href="{}">Glossary</a></span>'


def read_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the first sentence on each term that a page defines, and whether the page uses terms."""
    metadata = app.env.metadata[app.env.docname]
    items = [item for terms in doctree.findall(addnodes.glossary) for item in terms.findall(nodes.definition_list_item)]
    if items:
        metadata[DEFINES] = {term: first_sentence(item) for item in items for term in _term_ids(item)}
    if any(link.get("reftype") == "term" for link in doctree.findall(addnodes.pending_xref)):
        metadata[USES] = True


def _term_ids(item: nodes.definition_list_item) -> Iterator[str]:
    for term in item.findall(nodes.term):
        yield from term["ids"]


def first_sentence(item: nodes.definition_list_item) -> str:
    """Return the first sentence of a definition, without the page that it refers to at its end."""
    text = " ".join(item.children[-1].astext().split())
    first = re.split(r"(?<=[^.]\.) |; see ", text, maxsplit=1)[0]
    return f"{first.removesuffix('.')}."


def changed_pages(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages that use terms, to be written again, if a definition changed."""
    sentences = {name: metadata[DEFINES] for name, metadata in env.metadata.items() if DEFINES in metadata}
    if vars(env).get(DEFINES) == sentences:
        return []
    vars(env)[DEFINES] = sentences
    return [name for name, metadata in env.metadata.items() if USES in metadata]


def link_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace links to terms that another page defines with popovers."""
    if not publishes_files(app.builder) or USES not in app.env.metadata[docname]:
        return
    sentences = {
        f"{app.builder.get_relative_uri(docname, name)}#{term}": sentence
        for name, metadata in app.env.metadata.items()
        for term, sentence in metadata.get(DEFINES, {}).items()
    }
    links = [link for link in doctree.findall(nodes.reference) if link.get("refuri") in sentences and _is_term(link)]
    for number, link in enumerate(links, start=1):
        link.replace_self(_popover_nodes(link, sentences[link["refuri"]], f"told-{number}"))


def _is_term(link: nodes.reference) -> bool:
    return any("std-term" in inline["classes"] for inline in link.findall(nodes.inline))


def _popover_nodes(link: nodes.reference, sentence: str, popover_id: str) -> nodes.inline:
    term = [child for inline in link.children for child in inline.children]
    popover = nodes.raw("", Markup(_POPOVER).format(popover_id, sentence, link["refuri"]), format="html")
    # A search has to find the page that defines the term, not those that use it.
    unsearched = nodes.inline("", "", popover, classes=["no-search"])
    begin, end = (nodes.raw("", text, format="html") for text in (_OPEN.format(popover_id), "</button>"))
    return nodes.inline("", "", begin, *term, end, unsearched, classes=["drydock-term"])


def setup(app: Sphinx) -> None:
    """Collect the glossary's sentences, and show them where a page uses a term."""
    app.connect("doctree-read", read_terms)
    app.connect("env-updated", changed_pages)
    app.connect("doctree-resolved", link_terms, priority=700)  # Markdown, at 600, has the links
