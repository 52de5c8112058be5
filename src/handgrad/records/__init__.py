"""The JSON files that pass between stages, one module each; writers, readers and tests share the types."""
