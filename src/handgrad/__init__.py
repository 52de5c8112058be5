"""Train a small network by hand next to PyTorch, prove that the two agree, and write the report."""
