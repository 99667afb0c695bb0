"""MNIST and its kin: where the files come from, the data module, and a person's own digits."""
