"""Pictures for pages that a code host shows: a sweep's curves, small, and the first screen of its page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from PIL import Image

from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.ends import ends
from nnhp_torch.report.figure.all_cells import draw_curves
from nnhp_torch.report.figure.callback import save
from nnhp_torch.report.figure.drawing import figure_class, plain_text
from nnhp_torch.report.plotting.axis import Axis
from sweeps._study.claims import SMALL

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 1160, 848  # of a page's first screen; a wider one has letters too small beside a README's


def draw_small(summary: Summary, folder: Path) -> None:
    """Write a sweep's curves alone, in a size at which its letters are those of the text beside it."""
    with plain_text():
        figure = figure_class()(figsize=(3.3, 2.1), dpi=160, layout="constrained")
        axes = figure.subplots()
        _, found = ends(summary, summary.cells)
        draw_curves(axes, summary, found, Axis.of_curves(summary.sweep, summary.cells), apart_by=0.085)
        axes.set_xlabel("epoch", fontsize=8)
        save(figure, folder / SMALL)


def photograph(page: Path, picture: Path) -> bool:
    """Write the first screen of a page as a picture, if a Chromium is installed; return whether one is."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return False
    with replacing(picture) as written:
        shot = written.with_suffix(".png").absolute()
        flags = [
            "--headless",
            "--hide-scrollbars",
            f"--window-size={WIDTH},{HEIGHT}",
            "--force-device-scale-factor=1.5",
        ]
        flags += ["--no-sandbox"] * (hasattr(os, "geteuid") and os.geteuid() == 0)  # which Chromium asks of root
        command = [browser, *flags, f"--screenshot={shot}", page.absolute().as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        Image.open(shot).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(written, "png", optimize=True)
        shot.unlink()
    return True
