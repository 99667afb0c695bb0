"""What each process finds out before its first trial: forks of one that has imported this know it."""

import toy

from nnhp_torch.core.spec.provenance import sources
from nnhp_torch.run.resume.libraries import names

names()
sources(toy.build, [toy.Toy(lr=0.1, width=1)], "conftest:TinyConfig")
