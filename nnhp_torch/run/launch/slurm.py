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

ONE = "a trial is one task on one node: --devices gives it more devices there"
OURS = {  # what is not the user's to say, and why
    "nodes": ONE,
    "ntasks": ONE,
    "output": "a job's log is in the sweep's folder",
    "job_name": "jobs are called after the sweep",
    "chdir": "jobs run in the folder that the command is given in",
}
CALLED = {"cpus_per_task": "cpus", "gpus_per_node": "gpus"}  # by sbatch
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
        rest = {CALLED.get(name.replace("-", "_"), name.replace("-", "_")): value for name, value in given.items()}
        for name in OURS.keys() & {name for name, value in rest.items() if str(value) != "1"}:
            raise ValueError(f"slurm.{name} cannot be {rest[name]}: {OURS[name]}")
        own = {name: _whole(name, rest.pop(name)) for name in ("array", "trials_per_job", "signal") if name in rest}
        setup = str(rest.pop("setup", ""))
        if isinstance(rest.get("time"), int):  # as a YAML without quotes has it
            raise ValueError(f"slurm.time needs quotes, as in '1:30:00': YAML has read it as {rest['time']}")
        words = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in rest.items()}
        sbatch = {name: "" if word == "true" else word for name, word in words.items() if word != "false"}
        return cls(setup=setup, sbatch=sbatch, **own)

    @property
    def names_gpus(self) -> bool:
        """Whether it is said which GPUs a job needs."""
        return any(name.startswith(("gpus", "gres", "tres")) for name in self.sbatch)

    def command(self, folder: Path, jobs: int, needs: Mapping[str, int]) -> list[str]:
        """Return what submits a folder's script as an array; `needs`: CPUs and GPUs, if nobody says otherwise."""
        names = {ours: sbatch for sbatch, ours in CALLED.items()}
        said = {names.get(name, name): value for name, value in {**needs, **self.sbatch}.items()}
        ours = {
            "job-name": name_of(folder),
            "array": f"0-{jobs - 1}" + (f"%{self.array}" if self.array else ""),
            "nodes": 1,
            "ntasks": 1,
            "signal": f"USR1@{self.signal}",
            "output": str(folder).replace("%", "%%") + "/%a.log",
            "open-mode": "append",
        }
        options = {"export": "ALL", **said, **ours}
        flags = [f"--{name.replace('_', '-')}" + f"={value}" * (value != "") for name, value in options.items()]
        return ["sbatch", "--parsable", *flags, str(folder / "script.sh")]

    def script(self, folder: Path, threads: int, needs: Mapping[str, int]) -> str:
        """Return what a job runs. A step of srun's hears of every signal, however a site sends it; the shell waits."""
        there, python = shlex.quote(str(folder)), shlex.quote(sys.executable)
        return f"""#!/bin/bash
trap : TERM USR1 USR2
cd {there} 2>/dev/null || exit 0  # its trials have been submitted anew
rm -f $SLURM_ARRAY_TASK_ID.exit
cd "$SLURM_SUBMIT_DIR"
export OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads}
{self.setup}
srun --ntasks=1 --cpus-per-task={ {**needs, **self.sbatch}["cpus"] } {python} -m nnhp_torch.run.launch.slurm_job \\
    {there} $SLURM_ARRAY_TASK_ID {max(self.signal - 5, 1)}
echo $? >{there}/$SLURM_ARRAY_TASK_ID.exit
"""


def name_of(folder: Path) -> str:
    """Return what the jobs of a submission are called: by this one whose id nobody knows is found."""
    return f"{folder.parent.parent.name}-{folder.name}"


def submit(command: Sequence[str]) -> str:
    """Submit an array and return its id."""
    # What a job of its own has put into the driver's environment is not for the jobs that it submits.
    theirs = {name for name in os.environ if name.startswith(("SLURM_", "SRUN_")) and name != "SLURM_CONF"}
    return _call(*command, env={name: os.environ[name] for name in os.environ.keys() - theirs}).split(";")[0].strip()


def queue() -> dict[str, dict[str, tuple[str, str]]]:
    """Return name → job of the array → its array's id and why it waits (empty if it runs), of all of the user's."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    said = _call("squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%F|%K|%T|%r|%j")
    for number, index, state, reason, name in (line.split("|", 4) for line in said.splitlines()):
        found.setdefault(name, {})[index] = number, "" if state == "RUNNING" else reason
    return found


def cancel(names: Sequence[str]) -> None:
    """End the jobs of these names, if they have not ended."""
    for name in names:
        _call("scancel", "--quiet", f"--user={os.getuid()}", f"--name={name}")


def _call(*command: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return done.stdout
    said = " ".join(line.split("error: ")[-1] for line in done.stderr.strip().splitlines())
    raise Unreachable(said) if UNREACHABLE.search(said) else Refused(f"{command[0]}: {said}")


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or int(str(value)) < 1:
        raise ValueError(f"slurm.{name} must be a number of at least 1, not {value}")
    return int(str(value))
