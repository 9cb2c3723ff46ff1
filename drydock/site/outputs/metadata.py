"""What lies beside the pages for programs: descriptions, a list for language models, a sitemap, and headers."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from docutils import nodes
from markupsafe import Markup, escape
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment

from drydock.site.examples.publish import publishes_files
from drydock.site.outputs.markdown import markdown_uri

#: A search engine shows so much of a description.
LENGTH = 200
#: What is shown with a link to any page, where its address is known.
PICTURE = "card.png"
CARD = {
    "og:image": "",
    "og:image:width": "1200",
    "og:image:height": "630",
    "og:image:alt": "Drydock: Containers and Docker, explained on examples that were run",
    "twitter:card": "summary_large_image",
}
#: A host that reads this file (Netlify's form, which others took over) sends these headers with every file.
HEADERS = "_headers"
#: No script but the site's own. Styles may stand within a page: pictures have their lengths so.
POLICY = (
    "default-src 'none'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def keep_description(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the first paragraph of a page that was just read: it says which question the page answers."""
    first = next(doctree.findall(nodes.paragraph), None)
    text = " ".join(first.astext().split()) if first else ""
    app.env.metadata[app.env.docname]["drydock_description"] = (
        text if len(text) <= LENGTH else text[:LENGTH].rpartition(" ")[0] + " …"
    )


def add_metadata(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Describe a page in its head, and name its form as Markdown."""
    if doctree is None or not publishes_files(app.builder):
        return
    description = app.env.metadata[pagename].get("drydock_description", "")
    facts = {
        "og:title": Markup(context["title"]).striptags(),
        "og:type": "website" if pagename == app.config.root_doc else "article",
        "og:site_name": app.config.project,
        "og:description": description,
    }
    if context.get("pageurl"):
        facts["og:url"] = context["pageurl"]
    if app.config.html_baseurl and _has_card(app):
        facts |= CARD | {"og:image": urljoin(app.config.html_baseurl, f"_static/{PICTURE}")}
    lines = [Markup('<meta name="description" content="{}">').format(description)] if description else []
    lines += [Markup('<meta property="{}" content="{}">').format(*fact) for fact in facts.items() if fact[1]]
    name = markdown_uri(app.builder.get_target_uri(pagename)).rpartition("/")[2]
    lines.append(Markup('<link rel="alternate" type="text/markdown" title="Markdown" href="{}">').format(name))
    context["metatags"] = context.get("metatags", "") + "\n".join(lines)


def _has_card(app: Sphinx) -> bool:
    return any((app.confdir / folder / PICTURE).is_file() for folder in app.config.html_static_path)


def write_files(app: Sphinx, exception: Exception | None) -> None:
    """Write the files."""
    if exception is not None or not publishes_files(app.builder):
        return
    (app.outdir / "llms.txt").write_text(_llms_list(app), encoding="utf-8")
    hashes = "".join(f" '{each}'" for each in sorted(_inline_scripts(app)))
    lines = ["/*", f"  Content-Security-Policy: {POLICY.format(hashes=hashes)}", "  X-Content-Type-Options: nosniff"]
    (app.outdir / HEADERS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if app.config.html_baseurl:
        (app.outdir / "sitemap.xml").write_text(_sitemap_xml(app), encoding="utf-8")


def _llms_list(app: Sphinx) -> str:
    """Return the pages by their chapters, in the form of llmstxt.org."""
    env, root = app.env, app.config.root_doc
    lines = [f"# {app.config.project}", "", f"> {env.metadata[root].get('drydock_description', '')}"]
    for chapter in env.tocs[root].findall(addnodes.toctree):
        lines += ["", f"## {chapter.get('caption') or 'Pages'}", ""]
        for docname in _pages_below(env, [name for _, name in chapter["entries"]]):
            about = env.metadata[docname].get("drydock_description", "")
            uri = urljoin(app.config.html_baseurl, markdown_uri(app.builder.get_target_uri(docname)))
            lines.append(f"- [{env.titles[docname].astext()}]({uri}){f': {about}' if about else ''}")
    return "\n".join(lines) + "\n"


def _pages_below(env: BuildEnvironment, names: list[str]) -> Iterator[str]:
    """Yield the pages `names`, each with those below it."""
    for name in names:
        if name in env.titles:
            yield name
            yield from _pages_below(env, env.toctree_includes.get(name, []))


def _inline_scripts(app: Sphinx) -> set[str]:
    """Return the hashes of the scripts on the front page that stand in a template of the theme, and of no other."""
    assert isinstance(app.builder, StandaloneHTMLBuilder)
    templates = [path for folder in app.builder.theme.get_theme_dirs() for path in Path(folder).glob("*.html")]
    page = app.outdir / app.builder.get_outfilename(app.config.root_doc)
    scripts = _inline_texts(page) & {script for path in templates for script in _inline_texts(path)}
    return {"sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts}


def _inline_texts(path: Path) -> set[str]:
    return set(re.findall(r"<script>(.*?)</script>", path.read_text(encoding="utf-8"), re.DOTALL))


def _sitemap_xml(app: Sphinx) -> str:
    uris = sorted(app.builder.get_target_uri(name) for name in app.env.found_docs)
    urls = "\n".join(f"<url><loc>{escape(urljoin(app.config.html_baseurl, uri))}</loc></url>" for uri in uris)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}\n</urlset>\n'
    )


def setup(app: Sphinx) -> None:
    """Describe each page, and write the files for programs."""
    app.connect("doctree-read", keep_description)
    app.connect("html-page-context", add_metadata)
    app.connect("build-finished", write_files)
