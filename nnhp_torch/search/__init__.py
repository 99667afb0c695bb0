"""A search in place of a grid: Optuna's study under the sweeper."""
