"""Between the trials on a Ray cluster and the driver: epochs there, reasons to end a trial back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

from nnhp_torch.core.interfaces import Listener
from nnhp_torch.core.spec.trial import Trial

Question = tuple[int, str, int, dict[str, float]]  # its number, the trial's key, the epoch, the metrics


class Board:
    """An actor on the driver's node: epochs from the trials to the driver, and its answers back."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.asked: asyncio.Queue[Question] = asyncio.Queue()
        self.open: dict[int, asyncio.Future[str | None]] = {}

    async def ask(self, key: str, epoch: int, metrics: dict[str, float]) -> str | None:
        """A trial's epoch; answered with the reason to end it there, if there is one."""
        number = next(self.numbers)
        self.open[number] = asyncio.get_running_loop().create_future()
        await self.asked.put((number, key, epoch, metrics))
        return await self.open[number]

    async def questions(self) -> list[Question]:
        """The questions since the last call, at least one."""
        asked = [await self.asked.get()]
        while not self.asked.empty():
            asked.append(self.asked.get_nowait())
        return asked

    async def answer(self, answers: Mapping[int, str | None]) -> None:
        """Lets those trials go on."""
        for number, reason in answers.items():
            self.open.pop(number).set_result(reason)


def answers(asked: list[Question], running: Mapping[str, Trial], listener: Listener) -> dict[int, str | None]:
    """Pass the listener's answers on for each epoch that was asked about, unless its trial has ended since."""
    said = {}
    for number, key, epoch, metrics in asked:
        trial = running.get(key)
        said[number] = listener.epoch_ended(trial, epoch, metrics) if trial else None
    return said
