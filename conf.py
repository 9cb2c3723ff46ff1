"""Sphinx settings that differ from the default, and nothing else."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent
sys.path.insert(0, str(TOP))

project = "Drydock"
extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design", "drydock.site"]
exclude_patterns = ["_build"]  # published files would be read as pages
# It would turn --flag into a dash and a flag.
smartquotes = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = project
html_favicon = "docs/_static/favicon.svg"
html_static_path = ["docs/_static"]
html_css_files = ["drydock.css"]
html_js_files = [("drydock.js", {"defer": "defer"})]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5f6b", "color-brand-content": "#0b5f6b"},
    "dark_css_variables": {"color-brand-primary": "#6cc7d4", "color-brand-content": "#6cc7d4"},
}
html_copy_source = False
html_show_copyright = False
# The built-in search would fetch every page it found, to show a line of it.
html_show_search_summary = False

# The two prompts of a transcript. A root prompt ("# ") is not among them: it would make commands of comments.
copybutton_prompt_text = r"\$ |> "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .go, .gr"  # output and exit status: they may begin as a prompt does
copybutton_copy_empty_lines = False
