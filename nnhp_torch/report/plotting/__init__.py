"""What figure and page plot alike: axes, the medians of curves, colours."""
