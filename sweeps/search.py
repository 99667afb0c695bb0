"""Joint search: all of the article's hyperparameters at once, instead of one after another.

One at a time, each choice is made on what the earlier ones happened to be. Here a sampler draws whole configurations
from ranges that span the article's grids, learns from those that have ended where to draw next, and a pruner ends the
poor ones early, so that the epochs go where they count. Needs Optuna: pip install '.[search]'.
"""

from nnhp_torch import Range, Search, TrialConfig, main
from sweeps._base import DATA

SEARCH = Search(
    name="search",
    base=TrialConfig(max_epochs=80),
    axes={
        "n_layers": Range(2, 4),
        "n_nodes": Range(64, 256, log=True),
        "optimizer": ["Adam", "Adagrad", "RMSprop", "SGD"],
        "batch_size": Range(2_000, 30_000, log=True),
        "lr": Range(1e-4, 1e-1, log=True),
        "momentum": Range(0.0, 0.99),
        "reg_type": ["l1", "l2"],
        "reg": Range(1e-6, 1e-1, log=True),  # the least is as good as none
        "dropout": Range(0.0, 0.75),
    },
    unless={"momentum": ("optimizer", "Adagrad")},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
)

if __name__ == "__main__":
    main(SEARCH)
