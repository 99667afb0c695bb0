"""Where trials run: in this process, in workers, on a cluster of SLURM or Ray."""
