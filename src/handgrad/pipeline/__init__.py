"""What the Snakefile itself calls when it is read: the validated config and the code fingerprints."""
