"""Sphinx settings that differ from the default, and nothing else."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

TOP = Path(__file__).resolve().parent
sys.path.insert(0, str(TOP))

project = "Drydock"
author = "the Drydock authors"
version = "0.1"
extensions = ["myst_parser", "notfound.extension", "sphinx_copybutton", "sphinx_design", "drydock.site"]
exclude_patterns = ["_build"]  # published files would be read as pages
# It would turn --flag into a dash and a flag.
smartquotes = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Where the site will be, and where its source is, if they are known: for canonical links, a sitemap, and for links
# to edit a page and to say what did not work.
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", os.environ.get("DRYDOCK_URL", ""))
drydock_repository = os.environ.get("DRYDOCK_REPOSITORY", "")

html_theme = "furo"
html_title = project
html_favicon = "docs/_static/favicon.svg"
html_logo = html_favicon
html_static_path = ["docs/_static"]
templates_path = ["docs/_templates"]
html_css_files = ["drydock.css"]
html_js_files = [("drydock.js", {"defer": "defer"}), "choice.js"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5f6b", "color-brand-content": "#0b5f6b"},
    "dark_css_variables": {"color-brand-primary": "#6cc7d4", "color-brand-content": "#6cc7d4"},
    "top_of_page_buttons": ["edit"],  # where the repository is known
}
html_copy_source = False
html_show_copyright = False
# The built-in search would fetch every page it found, to show a line of it.
html_show_search_summary = False
html_use_index = False  # it would have the titles of the pages, which the contents have

# A page that is not there is asked for at any depth, so its links begin at the top of the site.
notfound_urls_prefix = urlsplit(html_baseurl).path or "/"
notfound_context = {
    "title": "Not found",
    "body": (
        "<h1>There is no such page</h1><p>It may have moved. The search finds it by a word of its text.</p>"
        f'<form class="drydock-filter" action="{notfound_urls_prefix}search.html"><label>Search <input name="q"'
        ' type="search"></label> <button>Go</button></form>'
    ),
}

# The two prompts of a transcript. A root prompt ("# ") is not among them: it would make commands of comments.
copybutton_prompt_text = r"\$ |> "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .go, .gr"  # output and exit status: they may begin as a prompt does
copybutton_copy_empty_lines = False

# nox -s docs -- links
linkcheck_timeout = 20
linkcheck_anchors_ignore_for_url = [r"https://github\.com/"]  # a script adds them in the browser
