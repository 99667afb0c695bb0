"""One file per hyperparameter of the article; each runs as `python -m sweeps.<name>`."""
