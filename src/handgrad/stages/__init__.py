"""One module per workflow rule: read files, call the library, write files."""
