"""Processes that are measured: each imports once and then runs what it is told, one thing after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")


def process(start: Callable[..., None] | None = None, *arguments: Any, count: int = 1) -> ProcessPoolExecutor:
    """A process, or several that share the work; each calls `start(*arguments)` before anything else."""
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=start, initargs=arguments)


def interleaved(contestants: Mapping[str, Callable[[], T]], repeat: int) -> dict[str, list[T]]:
    """Each contestant `repeat` times, taking turns: what slows the machine for a while slows all of them."""
    runs: dict[str, list[T]] = {name: [] for name in contestants}
    for _ in range(repeat):
        for name, run in contestants.items():
            runs[name].append(run())
    return runs


def packed(durations: list[float], workers: int) -> list[int]:
    """Which worker gets each of these trials, in order, when the first free one takes the next."""
    loads = [0.0] * workers
    takes = []
    for duration in durations:
        worker = loads.index(min(loads))
        loads[worker] += duration
        takes.append(worker)
    return takes


def busiest(durations: list[float], takes: list[int]) -> float:
    """The work of the worker that has most of it."""
    loads: dict[int, float] = {}
    for duration, worker in zip(durations, takes, strict=True):
        loads[worker] = loads.get(worker, 0.0) + duration
    return max(loads.values())
