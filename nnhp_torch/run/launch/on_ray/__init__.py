"""Trials as tasks on a cluster of Ray's."""
