"""From results to the report: facts, statements, wording, figures, typesetting."""
