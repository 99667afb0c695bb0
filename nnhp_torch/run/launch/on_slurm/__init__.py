"""Trials as jobs of a SLURM cluster: what submits them, what runs in them, what SLURM is asked."""
