"""Code that the Snakefile calls while it is parsed, such as config validation and code fingerprints."""
