"""What is said of a sweep in words: its headline, the answer to its question, the caveats, their phrases."""
