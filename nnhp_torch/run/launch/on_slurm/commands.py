"""What SLURM is asked: to queue jobs, which are in the queue, to end some. Nothing else here speaks to it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nnhp_torch.core.errors import WrongUsage
from nnhp_torch.run.runtime import Runtime

OURS = ("nodes", "ntasks", "output", "open_mode", "job_name", "chdir")
WHY = "a trial is one task on one node (--devices gives it more there), and its job belongs to the sweep's folder"
SHORT = {"cpus": "cpus_per_task", "gpus": "gpus_per_node"}  # for what sbatch calls so
UNREACHABLE = re.compile(r"contact|timed out|Zero Bytes|refused|temporarily|connect failure", re.IGNORECASE)


@dataclass(frozen=True)
class Slurm:
    """How jobs are submitted: `--slurm.NAME` on the command line, `slurm:` in YAML, `slurm={…}` in Python."""

    array: int = 0  # trials at a time; 0: as many as SLURM lets run, of a search or a race 8
    trials_per_job: int = 1  # one after another
    signal: int = 60  # seconds before the time limit at which a job is told to end
    setup: str = ""  # lines of shell that a job runs first, such as `module load cuda`
    sbatch: Mapping[str, str] = field(default_factory=dict)  # all else, by sbatch's own long names with _ for -

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Slurm:
        """Read settings; ValueError if one makes no sense."""
        said = {name.replace("-", "_"): str(value) for name, value in given.items()}
        for name in (name for name in OURS if said.get(name, "1") != "1"):
            raise ValueError(f"slurm.{name} cannot be {said[name]}: {WHY}")
        if isinstance(given.get("time"), int):  # as a YAML without quotes has it
            raise ValueError(f"slurm.time needs quotes, as in '1:30:00': YAML has read it as {said['time']}")
        own = {name: said.pop(name) for name in ("array", "trials_per_job", "signal") if name in said}
        for name, value in own.items():
            if not value.isdecimal() or int(value) < 1:
                raise ValueError(f"slurm.{name} must be a number of at least 1, not {value}")
        time = said.get("time", "")
        units = (86400, 3600, 60, 1)[0 if "-" in time else 1 if time.count(":") == 2 else 2 :]  # 2-12, 1:30:00, 90
        limit = sum(int(n) * unit for n, unit in zip(re.findall(r"\d+", time), units, strict=False))
        if 0 < limit <= (signal := int(own.get("signal", cls.signal))):
            raise ValueError(f"slurm.signal must be below slurm.time, which is {limit} seconds, not {signal}")
        setup = said.pop("setup", "")
        flags = {SHORT.get(k, k): "" if v.lower() == "true" else v for k, v in said.items() if v.lower() != "false"}
        return cls(setup=setup, sbatch=flags, **{name: int(value) for name, value in own.items()})

    def command(self, array: Path, trials: int, threads: int, runtime: Runtime) -> str:
        """Return what submits an array of jobs for so many trials, with the script that each of them runs."""
        said = {"export": "ALL", "cpus_per_task": str(threads * runtime.world_size), **self.sbatch}
        if runtime.accelerator in ("gpu", "cuda") and not any(n.startswith(("gpus", "gres", "tres")) for n in said):
            said["gpus_per_node"] = str(runtime.world_size)
        flags = [f"--{name.replace('_', '-')}" + f"={value}" * bool(value) for name, value in said.items()]
        log, last = str(array).replace("%", "%%") + ".%a.log", -(-trials // self.trials_per_job) - 1
        there, python = shlex.quote(str(array)), shlex.quote(sys.executable)
        # A step of srun's hears of every signal, however a site sends it, and the shell waits for it.
        return f"""{shlex.join(["sbatch", "--parsable", *flags])} <<'END'
#!/bin/bash
#SBATCH --job-name={shlex.quote(names([array])[0])} --array=0-{last}{f"%{self.array}" * bool(self.array)}
#SBATCH --nodes=1 --ntasks=1 --signal=USR1@{self.signal} --open-mode=append --output={shlex.quote(log)}
trap told=0 TERM USR1 USR2
trap 'status=$?; [ $status = 0 ] || echo "exit status ${{told:-$status}}"; exit 0' EXIT
[ -e {there}.trials ] || exit 0  # its trials have been submitted anew
export OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads} PYTHONHASHSEED=${{PYTHONHASHSEED:-0}}
{self.setup}
srun -n1 -c{said["cpus_per_task"]} {python} -m nnhp_torch.run.launch.on_slurm.job {there}.$SLURM_ARRAY_TASK_ID
END"""


def names(jobs: Iterable[Path]) -> list[str]:
    """Return what the arrays of jobs are called: by this they are found, also if nobody has heard an id."""
    return sorted({f"{job.parent.parent.name}-{job.stem}" for job in jobs})


def queue() -> dict[str, str]:
    """Return ARRAY.N of all of the user's jobs in the queue → why it waits, or empty if it runs."""
    said = _call("squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%K|%t|%r|%j")
    lines = (line.split("|", 3) for line in said.splitlines())
    return {f"{name.rpartition('-')[2]}.{at}": "" if state in ("R", "CG") else why for at, state, why, name in lines}


def cancel(jobs: Iterable[Path]) -> None:
    """End the arrays of jobs, as far as they have not ended."""
    for name in names(jobs):
        _call("scancel", "--quiet", f"--user={os.getuid()}", f"--name={name}")


def _call(*command: str) -> str:
    """Return what SLURM answers; WrongUsage if it will not, ConnectionError if it may have done it or not."""
    # What a job of its own has put into the driver's environment is not for the jobs that it submits.
    environment = {k: v for k, v in os.environ.items() if k == "SLURM_CONF" or not k.startswith(("SLURM_", "SRUN_"))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return done.stdout
    said = "; ".join(done.stderr.replace("error: ", "").strip().splitlines())
    raise ConnectionError(said) if UNREACHABLE.search(said) else WrongUsage(said)


submit = partial(_call, "bash", "-c")  # what Slurm.command() has returned
