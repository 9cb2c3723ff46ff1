"""The page of each example, the list of examples, and the files and zips to download."""
