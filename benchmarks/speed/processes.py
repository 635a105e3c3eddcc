"""CPU time and memory of a process and its children, and the cores on which they run."""

import os
from contextlib import suppress

import psutil

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, of its children, and of those that have ended."""
    total = 0.0
    for process in _family(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process and its children in MiB."""
    return sum(process.memory_info().rss for process in _family(pid)) / 2**20


def pin(pid: int, *cores: int) -> None:
    """Run a process and its children on these cores, where the machine has so many."""
    if len(CORES) > max(cores):
        for process in _family(pid):
            process.cpu_affinity([CORES[core] for core in cores])


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
