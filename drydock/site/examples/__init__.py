"""The examples' own pages, their list, their files and zips."""
