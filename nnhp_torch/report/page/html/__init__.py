"""A page as one file of HTML: its elements, its style, its script."""
