"""Output other than the pages' content: Markdown copies, metadata, the search index, navigation, and links."""
