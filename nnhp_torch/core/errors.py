"""Errors that a person can mend: each says in a line what is wrong and what would be right.

RuntimeError
└── SweepError               no sweep can be run, or go on, here
    ├── LedgerError          the ledger cannot be read, or its folder cannot be written
    │   ├── InUse            another process has the folder, or a proposal's number; nothing was run
    │   └── NotAFile         something else is there under a file's name (an OSError too)
    ├── PreparationError     the data cannot be had
    │   └── WrongUsage       no trial can be made of the flags on this machine, or of build's answer
    └── ClusterLost          the cluster on which the trials ran has gone
"""


class SweepError(RuntimeError):
    """A sweep cannot be run, or go on, here; the message is all that a person needs."""


class LedgerError(SweepError):
    """The ledger cannot be read, or is in use: the message names file, line or process."""


class InUse(LedgerError):
    """Another process has the folder, or the number of a proposal: nothing was run."""


class NotAFile(LedgerError, OSError):
    """A directory, a FIFO or a device is there under the name of a file, which must not be replaced."""


class PreparationError(SweepError):
    """The data cannot be had; the message says what was tried and what to do."""


class WrongUsage(PreparationError):
    """These flags do not fit this machine (a missing GPU), or the answer of `build` cannot be trained."""


class ClusterLost(SweepError):
    """The cluster on which the trials ran has gone; the message says how to go on."""
