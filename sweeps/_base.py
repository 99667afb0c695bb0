"""Where the article's chain of choices ends: the base of the hyperparameters that it describes without a grid."""

from nnhp_torch.config import TrialConfig

FINAL = TrialConfig(lr=0.001, momentum=0.1, reg_type="l2", reg=1e-4, max_epochs=80)
