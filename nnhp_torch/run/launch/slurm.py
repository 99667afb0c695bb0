"""What SLURM is asked: to queue jobs, which are in the queue, to end some. Nothing else here speaks to it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnhp_torch.run.runtime import Runtime

OURS = {  # what is not the user's to say, and why
    **dict.fromkeys(("nodes", "ntasks"), "a trial is one task on one node: --devices gives it more devices there"),
    **dict.fromkeys(("output", "job_name", "chdir"), "jobs run here, and belong to the sweep's folder"),
}
SHORT = {"cpus_per_task": "cpus", "gpus_per_node": "gpus"}  # what sbatch calls it, and what it is called here
UNREACHABLE = re.compile(r"contact|timed out|Zero Bytes|refused|temporarily|connect failure", re.IGNORECASE)
LIMIT = re.compile(r"limit|Invalid job array", re.IGNORECASE)  # of how many jobs somebody may have in the queue


class Refused(Exception):
    """SLURM will not do it; the message is its own."""


class Unreachable(Exception):
    """SLURM's controller does not answer: it may have done what it was asked, or not."""


@dataclass(frozen=True)
class Slurm:
    """How jobs are submitted: `--slurm.NAME` on the command line, `slurm:` in YAML, `slurm={…}` in Python.

    Args:
        array: trials at a time; default: as many as SLURM lets run, of a search or a race 8.
        trials_per_job: trials that a job runs one after another.
        signal: seconds before the time limit at which a job is told to end.
        setup: lines of shell that a job runs first, such as `module load cuda`.
        sbatch: all else, by sbatch's own long names with `_` for `-` (`partition`, `time`, `mem`, `qos`, …).
    """

    array: int | None = None
    trials_per_job: int = 1
    signal: int = 60
    setup: str = ""
    sbatch: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Slurm:
        """Read settings; ValueError if one makes no sense."""
        rest = {name.replace("-", "_"): value for name, value in given.items()}
        for name in OURS.keys() & {name for name, value in rest.items() if str(value) != "1"}:
            raise ValueError(f"slurm.{name} cannot be {rest[name]}: {OURS[name]}")
        own = {name: _whole(name, rest.pop(name)) for name in ("array", "trials_per_job", "signal") if name in rest}
        setup = str(rest.pop("setup", ""))
        if isinstance(rest.get("time"), int):  # as a YAML without quotes has it
            raise ValueError(f"slurm.time needs quotes, as in '1:30:00': YAML has read it as {rest['time']}")
        words = {SHORT.get(name, name): str(value) for name, value in rest.items() if str(value).lower() != "false"}
        return cls(setup=setup, sbatch={k: "" if v.lower() == "true" else v for k, v in words.items()}, **own)

    def command(self, folder: Path, jobs: int, threads: int, runtime: Runtime) -> tuple[list[str], str]:
        """Return what submits a folder's jobs as an array, and the script that each of them runs."""
        asks_for_gpus = any(name.startswith(("gpus", "gres", "tres")) for name in self.sbatch)
        said = {"export": "ALL", "cpus": str(threads * runtime.world_size), **self.sbatch}
        if runtime.accelerator in ("gpu", "cuda") and not asks_for_gpus:
            said["gpus"] = str(runtime.world_size)
        long = {short: name for name, short in SHORT.items()}
        options = {long.get(name, name): value for name, value in said.items()} | {
            "job-name": name_of(folder),
            "array": f"0-{jobs - 1}" + (f"%{self.array}" if self.array else ""),
            "nodes": "1",
            "ntasks": "1",
            "signal": f"USR1@{self.signal}",
            "output": str(folder).replace("%", "%%") + "/%a.log",
            "open-mode": "append",
        }
        flags = [f"--{name.replace('_', '-')}" + f"={value}" * bool(value) for name, value in options.items()]
        there, python = shlex.quote(str(folder)), shlex.quote(sys.executable)
        # A step of srun's hears of every signal, however a site sends it, and the shell waits for it.
        script = f"""#!/bin/bash
trap : TERM USR1 USR2
cd {there} 2>/dev/null || exit 0  # its trials have been submitted anew
rm -f $SLURM_ARRAY_TASK_ID.exit
cd "$SLURM_SUBMIT_DIR"
export OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads}
{self.setup}
srun --ntasks=1 --cpus-per-task={said["cpus"]} {python} -m nnhp_torch.run.launch.slurm_job \\
    {there} $SLURM_ARRAY_TASK_ID {max(self.signal - 5, 1)}
echo $? >{there}/$SLURM_ARRAY_TASK_ID.exit
"""
        return ["sbatch", "--parsable", *flags, str(folder / "script.sh")], script


def name_of(folder: Path) -> str:
    """Return what the jobs of a submission are called: by this one whose id nobody knows is found."""
    return f"{folder.parent.parent.name}-{folder.name}"


def submit(command: Sequence[str]) -> str:
    """Submit an array and return its id."""
    # What a job of its own has put into the driver's environment is not for the jobs that it submits.
    theirs = {name for name in os.environ if name.startswith(("SLURM_", "SRUN_")) and name != "SLURM_CONF"}
    return _call(*command, env={name: os.environ[name] for name in os.environ.keys() - theirs}).split(";")[0].strip()


def queue() -> dict[tuple[str, int], tuple[str, str]]:
    """Return (name, job of the array) → (the array's id, why it waits or empty if it runs), of all of the user's."""
    said = _call("squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%K|%F|%T|%r|%j")
    lines = (line.split("|", 4) for line in said.splitlines() if line[:1].isdecimal())
    return {(name, int(index)): (id, "" if state == "RUNNING" else why) for index, id, state, why, name in lines}


def cancel(names: Sequence[str]) -> None:
    """End the jobs of these names, if they have not ended."""
    for name in names:
        _call("scancel", "--quiet", f"--user={os.getuid()}", f"--name={name}")


def _call(*command: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return done.stdout
    said = "; ".join(re.sub(r"^\w+: (error: )?", "", line) for line in done.stderr.strip().splitlines())
    raise Unreachable(said) if UNREACHABLE.search(said) else Refused(f"{command[0]}: {said}")


def _whole(name: str, value: object) -> int:
    if not str(value).isdecimal() or int(str(value)) < 1:
        raise ValueError(f"slurm.{name} must be a number of at least 1, not {value}")
    return int(str(value))
