"""What is written beside and around the pages: Markdown, metadata, search index, navigation, links."""
