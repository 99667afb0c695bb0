"""Pretended GPUs: Lightning's CUDA accelerator over a CPU's arithmetic.

A process has $PRETENDED_GPUS of them if this folder is on its PYTHONPATH: Python imports a module of this name when it
starts. What Lightning asks of torch.cuda it hears as on GPUs of compute capability 8.0, and which one a trial is on is
`torch.cuda.current_device()`; tensors are on the CPU.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec

LIGHTNING = "lightning.pytorch.accelerators.cuda"  # imported whenever Lightning is, and torch before it
MACHINE = "nnhp_torch.run.launch.machine"  # by which a sweep counts GPUs before torch is imported


def patches(of: str) -> list[tuple[object, str, object]]:
    """What is to be replaced once a module is imported: owner, attribute, and what stands in its place."""
    return _of_lightning() if of == LIGHTNING else [(import_module(MACHINE), "_nvidia", _count)]


def _count() -> int:
    return int(os.environ["PRETENDED_GPUS"])


def _of_lightning() -> list[tuple[object, str, object]]:
    import torch
    from lightning.fabric.accelerators.cuda import _check_cuda_matmul_precision
    from lightning.pytorch.accelerators.cuda import CUDAAccelerator

    current = [0]

    def set_device(device):
        current[0] = device if isinstance(device, int) else torch.device(device).index

    def setup_device(self, device):
        _check_cuda_matmul_precision.__wrapped__(device)  # not once a process
        torch.cuda.set_device(device)

    replaced = {
        "is_available": lambda: True,
        "device_count": lambda: import_module(MACHINE).gpus(),
        "current_device": lambda: current[0],
        "set_device": set_device,
        "get_device_capability": lambda device=None: (8, 0),
        "get_device_name": lambda device=None: "a pretended GPU",
        "is_bf16_supported": lambda *_: True,
        "is_current_stream_capturing": lambda: False,  # torch 2.6 would ask its driver
    }
    return [
        *((torch.cuda, name, value) for name, value in replaced.items()),
        (torch.accelerator, "current_accelerator", lambda check_available=False: None),  # torch would ask its driver
        (CUDAAccelerator, "setup_device", setup_device),
        (CUDAAccelerator, "get_parallel_devices", staticmethod(lambda ids: [torch.device("cpu", i) for i in ids])),
    ]


def pretend(*modules: str) -> None:
    """Have them from now on, if the environment asks for some."""
    if "PRETENDED_GPUS" in os.environ:
        for owner, name, value in (patch for module in modules for patch in patches(module)):
            setattr(owner, name, value)


class _Hook:
    def __init__(self):
        self.modules = [LIGHTNING, MACHINE]

    def find_spec(self, name, path=None, target=None):
        if name not in self.modules:
            return None
        self.modules.remove(name)
        spec = find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), pretend(name))
        return spec


if __name__ == "sitecustomize":
    sys.meta_path.insert(0, _Hook())
