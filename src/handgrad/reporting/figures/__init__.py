"""Every plot of the report, one function each: numbers and images in, a matplotlib figure out."""
