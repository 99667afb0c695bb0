"""Layers and nodes: how deep the network is, and how wide.

n_layers counts the hidden layers behind a first one that is always there, as in the article's code: 2 are 3 in all.
"""

from collections.abc import Sequence

from nnhp_torch import Cell, Sweep, TrialConfig, main
from sweeps._base import DATA, after
from sweeps._study.answers import overfits, widens


def claim(cells: Sequence[Cell]) -> str:
    """Whether validation falls late, and whether training is further above it with more nodes."""
    return "\n".join(filter(None, (overfits(cells), widens(cells))))


SWEEP = Sweep(
    name="layers_nodes",
    base=TrialConfig(max_epochs=40),
    axes={"n_layers": [2, 3, 4], "n_nodes": [64, 128, 256]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=claim,
    next_steps=after("layers_nodes"),
)

if __name__ == "__main__":
    main(SWEEP)
