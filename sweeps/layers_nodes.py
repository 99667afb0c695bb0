"""Layers and nodes: how deep the network is, and how wide.

More units can represent more, and overfit more; more layers compose features, and are harder to train. The article
tries 2, 3 and 4 hidden layers (after a first one that is always there) of 64, 128 and 256 units, for 40 epochs.
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
