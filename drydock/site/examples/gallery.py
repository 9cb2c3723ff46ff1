"""The list of examples, by the pages that show them."""

from __future__ import annotations

from collections import Counter

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from drydock.site.examples.publish import publishes_files
from drydock.site.pages import all_pages, is_generated

#: Marks the list of examples until all pages are read, and an item with its slug.
KEY = "drydock_gallery"
#: Sections whose pages teach; reference pages only list.
TEACHING = ("tutorials/", "concepts/", "how-to/")

#: Shown where scripts run; without them, all topics are lists.
FILTER = """<search class="drydock-filter">
<label>Filter <input type="search" placeholder="a word, such as secret"></label>
<label>Topic <select><option value="">all</option></select></label>
<span role="status"></span>
</search>"""


def regrouped_pages(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages with the list, to be written again, if an example moved to another topic."""
    homes = home_pages(env)
    if vars(env).get(KEY) == homes:
        return []
    vars(env)[KEY] = homes
    return [name for name in env.found_docs if KEY in env.metadata[name]]


def group_examples(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Group the list by topics: the page that shows most of an example."""
    for node in list(doctree.findall(nodes.bullet_list)):
        if KEY in node:
            node.replace_self(_topic_groups(app, node, docname))


def _topic_groups(app: Sphinx, listed: nodes.bullet_list, docname: str) -> list[nodes.Node]:
    env, homes = app.env, home_pages(app.env)
    groups: dict[str, list[nodes.Node]] = {}
    for item in listed.children:
        assert isinstance(item, nodes.list_item)
        groups.setdefault(homes.get(item[KEY], ""), []).append(item)
    order = [*_in_order(env), ""]
    topics: list[nodes.Node] = [nodes.raw("", FILTER, format="html")] if publishes_files(app.builder) else []
    for page in sorted(groups, key=order.index):
        title = env.titles[page].astext() if page else "Others"
        uri = app.builder.get_relative_uri(docname, page) if page else ""
        name = nodes.reference("", title, refuri=uri, internal=True) if page else nodes.Text(title)
        group = nodes.container(classes=["drydock-topic"])
        group += nodes.paragraph("", "", name, classes=["drydock-topic-name"])
        group += nodes.bullet_list("", *groups[page], classes=["drydock-examples"])
        topics.append(group)
    return topics


def home_pages(env: BuildEnvironment) -> dict[str, str]:
    """Return for each example the page that shows most of it; a page that teaches wins."""
    shown = Counter((block.slug, name) for name in _in_order(env) for block in all_pages(env)[name].blocks)
    homes: dict[str, str] = {}
    for (slug, name), _ in sorted(shown.items(), key=lambda item: (item[0][1].startswith(TEACHING), item[1])):
        homes[slug] = name  # the best comes last
    return homes


def _in_order(env: BuildEnvironment) -> list[str]:
    """Return the pages that authors wrote, in the order of the contents; pages outside the contents come last."""
    written = [name for name in all_pages(env) if not is_generated(name)]
    included = env.toctree_includes.get(env.config.root_doc, [])
    return sorted(written, key=lambda name: (included.index(name) if name in included else len(included), name))


def setup(app: Sphinx) -> None:
    """Group the list of examples when all pages are read."""
    app.connect("env-updated", regrouped_pages)
    app.connect("doctree-resolved", group_examples)
