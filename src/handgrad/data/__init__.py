"""Image data: archives, downloads, prepared splits, and synthetic substitutes."""
