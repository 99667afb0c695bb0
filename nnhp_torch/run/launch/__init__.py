"""Where trials run: in this process, in workers, on a Ray cluster."""
