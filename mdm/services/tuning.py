"""PostgreSQL settings for bulk loads, from the memory, cores and disk of this machine.

What is given up is convenience (replication, long log texts), never safety: `fsync`,
`full_page_writes` and `synchronous_commit` stay on. Turning `synchronous_commit` off would keep
tables consistent, but forget the last half second of commits after a power cut, and those may be a
steward's decision, or change events that a consumer has read already. A run commits a few
times only, so nothing is gained. A phase that can repeat its work (an object of the lake, whose
rows and ledger row commit together) may set it off for its own transaction with `SET LOCAL`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 2**20
# The settings that depend on the machine; docker-compose.yml holds the others as text.
MACHINE_SIZED = (
    "shared_buffers",
    "work_mem",
    "temp_buffers",
    "maintenance_work_mem",
    "effective_cache_size",
    "max_worker_processes",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "max_parallel_maintenance_workers",
    "max_wal_size",
)


@dataclass(frozen=True)
class Machine:
    """What a server may use: bytes of memory, processor cores, free bytes on its disk."""

    memory: int
    cores: int
    disk_free: int


def this_machine(data_dir: Path) -> Machine:
    """Return the machine as this process may use it, limits of a container included."""
    existing = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    return Machine(
        memory=min(psutil.virtual_memory().total, _cgroup_memory()),
        cores=_cores(),
        disk_free=shutil.disk_usage(existing).free,
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _cgroup_memory() -> int:
    """Return the memory limit of the container around us, a huge number where there is none."""
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return int(Path(file).read_text("ascii"))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return 2**62


def settings(machine: Machine, *, durable: bool = True) -> dict[str, str]:
    """Return the server parameters for `machine`.

    `durable=False` is for servers that live as long as one test session: a crash loses them.
    """
    parallel = machine.cores if machine.cores > 1 else 0
    values = {
        # Memory. Sorts and hashes of a set-based pipeline are few and large, its sessions few.
        "shared_buffers": _mib(machine.memory // 4, low=128, high=4096),
        "work_mem": _mib(machine.memory // 64, low=16, high=256),
        "maintenance_work_mem": _mib(machine.memory // 16, low=64, high=1024),
        "effective_cache_size": _mib(machine.memory * 6 // 10, low=256, high=2**20),
        # Work tables of a phase stay in memory: spilled ones cost gold a third of its time.
        "temp_buffers": _mib(machine.memory // 24, low=32, high=1024),
        # Parallel queries on all cores; compiling a plan costs more than these queries gain.
        "max_worker_processes": str(max(8, machine.cores + 4)),
        "max_parallel_workers": str(parallel),
        "max_parallel_workers_per_gather": str(min(parallel, 8)),
        "max_parallel_maintenance_workers": str(min(parallel, 4)),
        "jit": "off",
        # Log. Without replicas a table loaded in the transaction that made it needs no log at
        # all; a large log spreads checkpoints, at most a tenth of the free disk is spent on it.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": _mib(machine.disk_free // 10, low=256, high=4096),
        "min_wal_size": "128MB",
        "wal_buffers": "32MB",
        "wal_compression": "off",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        # Disks of this decade have no arm to move.
        "random_page_cost": "1.1",
        "effective_io_concurrency": "64",
        "maintenance_io_concurrency": "64",
        # Phases ANALYZE what they fill; one gentle worker looks after the rest.
        "autovacuum": "on",
        "autovacuum_max_workers": "2",
        "autovacuum_vacuum_scale_factor": "0.1",
        "autovacuum_analyze_scale_factor": "0.05",
        # Behaviour that should not depend on the machine.
        "timezone": "UTC",
        "log_timezone": "UTC",
        "client_min_messages": "warning",
        "max_connections": "100",
        "max_locks_per_transaction": "256",
        # Server logs must hold no customer data: no statement text, no DETAIL with row values.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
    if not durable:
        values |= {
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "shared_buffers": "256MB",
            "max_wal_size": "1GB",
            "autovacuum": "off",
        }
    return values


def shared_memory(folder: Path = Path("/dev/shm")) -> dict[str, str]:
    """Return the settings for parallel queries where shared memory is small, as in containers.

    Docker grants 64 MB, too little for one parallel hash join; files do instead.
    """
    if folder.is_dir() and shutil.disk_usage(folder).total < 512 * MIB:
        return {"dynamic_shared_memory_type": "mmap"}
    return {}


def _mib(size: int, *, low: int, high: int) -> str:
    return f"{min(max(size // MIB, low), high)}MB"


def as_config(values: dict[str, str]) -> str:
    """Return `values` as text of a PostgreSQL configuration file."""
    lines = [f"{name} = '{value}'" for name, value in values.items()]
    return "# Written by mdm at every start; change with ALTER SYSTEM.\n" + "\n".join(lines) + "\n"
