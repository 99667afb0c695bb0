"""The objective of a sweep: a metric, its direction, and the names of the same metric over other data."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

Mode = Literal["max", "min"]
Split = Literal["train", "val", "test", "trained"]

# How modules spell what a metric was taken over: the first of each is the usual one.
SPELLINGS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
    "trained": ("trained",),  # the training data once more, scored as the others are when the training has ended
}
_SPLIT = re.compile(rf"(?<![A-Za-z])(?i:{'|'.join(word for words in SPELLINGS.values() for word in words)})(?![a-z])")
FIRST_LOADER = "/dataloader_idx_0"  # what Lightning appends when there are several loaders

# Words that say which direction is better. The first are looked for first: a dice loss is a loss.
LESS = "loss losses error err mse rmse mae mape rmsle nll bce ce perplexity ppl wer cer fid kid lpips ece brier kl"
SHARES = (  # these lie between 0 and 1
    "accuracy acc f1 fbeta auc auroc roc auprc ap map precision recall sensitivity specificity iou miou jaccard dice"
)
MORE = (
    f"{SHARES} bleu rouge meteor r2 psnr ssim mcc kappa likelihood ndcg mrr pearson spearman correlation reward "
    "top1 top5"
)

# Words that may turn it: a negative log-likelihood, a gap between accuracies, their spread, the time to one.
TURNING = (
    "neg negative minus inv inverse inverted reciprocal reverse reversed opposite complement anti "
    "non not no without free "
    "dist distance gap drop diff difference delta change reduction decrease improvement increase gain lift lost ratio "
    "std stdev var variance deviation spread range uncertainty false miss missed time steps epochs until"
)
_TURNED = re.compile(r"(?:^|[\s/_(])(?:-|1 ?[-/])")  # -val_loss, 1-accuracy, 1/loss


@dataclass(frozen=True)
class Metric:
    """A metric, whose name tells which data it is taken over."""

    metric: str

    @property
    def split(self) -> Split | None:
        """The data that the metric is taken over, as far as its name tells."""
        found = _SPLIT.search(self.metric)
        return next(split for split, words in SPELLINGS.items() if found[0].lower() in words) if found else None

    @property
    def name(self) -> str:
        """The metric without what it is taken over: `accuracy` of `val_accuracy`, `acc` of `val/acc`."""
        before, _, after = _SPLIT.sub("\0", self.metric, count=1).partition("\0")
        return f"{before}{after.lstrip('_-./ ')}".rstrip("_-./ ") or self.metric

    def over(self, split: Split) -> str:
        """The usual name of the same metric over other data; its own if it does not tell what it is taken over."""
        spelled = SPELLINGS[split][0]
        return _SPLIT.sub(lambda found: spelled.capitalize() if found[0][0].isupper() else spelled, self.metric, 1)

    @property
    def tag(self) -> str:
        """TensorBoard's name of it, so that the same metric over several data lies side by side.

        >>> Metric("val_accuracy").tag, Metric("lr").tag
        ('accuracy/validation', 'lr')
        """
        return f"{self.name}/{'validation' if self.split == 'val' else self.split}" if self.split else self.metric

    def twin(self, split: Split, logged: Collection[str]) -> str:
        """Return the name among those logged of the same metric over other data; empty if there is none."""
        found = _SPLIT.search(self.metric)
        if not found or self.split == split:
            return ""
        for word in SPELLINGS[split]:
            spelled = word.capitalize() if found[0][0].isupper() else word
            name = self.metric[: found.start()] + spelled + self.metric[found.end() :]
            for candidate in (name, name.partition("/dataloader_idx_")[0]):
                if there := logged_name(candidate, logged):
                    return there
        return ""


@dataclass(frozen=True)
class Objective(Metric):
    """A metric and whether more of it is better (`max`) or less (`min`)."""

    mode: Mode

    @classmethod
    def of(cls, metric: str, mode: Mode | None = None) -> Objective:
        """Make an objective; by default its direction is the one that the metric's name tells.

        Raises:
            ValueError: the name does not tell, or the mode is none.
        """
        if mode not in (None, "max", "min"):
            raise ValueError(f"mode must be max or min, not {mode!r}")
        if (known := mode or direction(metric)) is None:
            raise ValueError(
                f"the name {metric!r} does not say which is better: give mode max (more) or min (less), as --mode max"
            )
        return cls(metric, known)

    @property
    def sign(self) -> int:
        """1 if more is better, -1 if less is."""
        return 1 if self.mode == "max" else -1

    @property
    def is_accuracy(self) -> bool:
        """Whether its name says that it is a share of right answers."""
        return bool({"accuracy", "acc"} & set(_words(self.metric))) and direction(self.metric) == self.mode == "max"

    def better(self, value: float, other: float) -> bool:
        """Return whether one value beats another; any number beats NaN."""
        return self.sign * value > self.sign * other or (math.isnan(other) and not math.isnan(value))

    def best(self, values: Iterable[float]) -> tuple[float, int]:
        """Return the best finite value and its place (from 1), the first of equals; (NaN, 0) if there is none."""
        found = math.nan, 0
        for place, value in enumerate(values, 1):
            if math.isfinite(value) and self.better(value, found[0]):
                found = value, place
        return found

    def bounds(self, values: Iterable[float]) -> tuple[float, float]:
        """Return the metric's bounds, as far as its name tells: 0 to 1, from 0, or none.

        Args:
            values: that it has been; a bound which one of them oversteps is none.
        """
        share = direction(self.metric) == "max" and set(_words(self.metric)) & set(SHARES.split())
        low, high = (0.0, 1.0) if share else (0.0 if self.mode == "min" else -math.inf, math.inf)
        seen = [value for value in values if math.isfinite(value)]
        if min(seen, default=low) < low:
            low = -math.inf
        if max(seen, default=high) > high:
            high = math.inf
        return low, high


def logged_name(metric: str, logged: Collection[str]) -> str:
    """Return the name under which a metric was logged: its own, or the first loader's; empty if it was not.

    >>> logged_name("val_loss_epoch", {"val_loss"})  # Lightning's name of the epoch's mean
    'val_loss'
    """
    names = (metric, metric.removesuffix("_epoch"))
    return next((name for plain in names for name in (plain, plain + FIRST_LOADER) if name in logged), "")


def unlogged(metric: str, logged: Collection[str]) -> str:
    """Return the error's text if a metric is none of those that were logged."""
    return f"no metric is called {metric!r}; logged were {', '.join(sorted(logged)) or 'none'}"


def direction(metric: str) -> Mode | None:
    """Tell the better direction, as far as the name does: `min` of `val_loss`, `max` of `BinaryF1Score`.

    A name with a word that may turn it tells nothing: `val_neg_log_likelihood`, `accuracy_gap`.
    """
    told = set(_words(metric))
    if told & set(TURNING.split()) or _TURNED.search(metric):
        return None
    return "min" if told & set(LESS.split()) else "max" if told & set(MORE.split()) else None


def _words(metric: str) -> list[str]:
    """Return the words of a name in lower case, each with its digits and without: `binary`, `f1`, `f`, `score`."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*", metric)
    return [form.lower() for word in words for form in (word, word.rstrip("0123456789"))]
