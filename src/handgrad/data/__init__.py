"""The images: archives, downloads, prepared splits, and drawn stand-ins."""
