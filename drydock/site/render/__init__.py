"""Text, tables and numbers as HTML and Markdown."""
