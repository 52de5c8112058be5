"""The report's figures, one function each, from numbers and images to a matplotlib figure."""
