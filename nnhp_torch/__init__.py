"""Hyperparameter sweeps for PyTorch Lightning: the public names, nothing else."""
