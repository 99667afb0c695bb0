"""What is typed: the options that all sweeps share, how they are read, how a wrong one is refused."""
