"""The machine that was measured on: facts for the table, and the peak speed of one core."""

import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring.environments import ROOT

Facts = dict[str, str | int | float]

_TRIES = 5


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def facts() -> Facts:
    """The facts needed to compare the figures with another machine's."""
    torch.set_num_threads(1)
    return {
        "cores": cores(),
        "processor": _processor(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "numpy": np.__version__,
        "threads_per_process": 1,
        "commit": _commit(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "product_gflops": round(_product_flops() / 1e9, 1),
        "copy_gb_per_s": round(_copy_bytes_per_s() / 1e9, 1),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip()


def _product_flops() -> float:
    """Floating-point operations a second of one core in a large matrix product."""
    size = 1024
    values_SS = torch.randn(size, size)
    return 2 * size**3 / _fastest(lambda: torch.mm(values_SS, values_SS))


def _copy_bytes_per_s() -> float:
    """Bytes a second that one core reads and writes in a copy larger than its caches."""
    source_E = torch.zeros(1 << 25)
    target_E = torch.empty_like(source_E)
    return 2 * 4 * source_E.numel() / _fastest(lambda: target_E.copy_(source_E))


def _fastest(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)
