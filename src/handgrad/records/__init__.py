"""Types of the JSON files passed between stages, one module per file; used by writers, readers and tests."""
