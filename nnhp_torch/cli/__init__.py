"""The command line that all sweeps share, and the same from Python."""
