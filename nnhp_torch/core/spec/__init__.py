"""What a sweep is: base, axes, trials, their keys and names."""
