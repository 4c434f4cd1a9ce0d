"""A summary of a site's remaining privacy budget, from its ledger."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fl_common.programs.own import own_program

Budget = Mapping[str, Any]
"""The block with least left (``block``, ``epsilon_spent``, ``epsilon_left``, ``unit``, and in
``epsilon_per`` the spent epsilon for a window and for a reading, if one of them is protected), the
number of ``rounds`` charged, and ``last_charged`` in seconds since 1970; or only ``trouble``."""

_LOOK_EVERY_S = 2.0


def summary_of(blocks: Sequence[Mapping[str, Any]]) -> Budget:
    """The summary of a ledger's blocks, which are as from ``fl-client ledger --json``."""
    if not blocks:
        return {}
    worst = min(blocks, key=lambda block: block["left"])
    rounds = {(run, r) for block in blocks for run, some in block["rounds"].items() for r in some}
    return {
        "block": worst["block"],
        "unit": worst["unit"],
        "epsilon_spent": worst["spent"],
        "epsilon_left": worst["left"],
        "epsilon_per": {
            unit: worst[f"epsilon_per_{unit}"]
            for unit in ("window", "reading")
            if worst[f"epsilon_per_{unit}"] is not None
        },
        "rounds": len(rounds),
        "last_charged": max(block["last_charged"] for block in blocks),
    }


async def watch_ledger(path: Path, counter: Path | None, changed: Callable[[Budget], None]) -> None:
    """Report the summary of the ledger at ``path``, now and after each change, until cancelled.

    A child process reads it: accounting takes a second, and libraries that the sensing process does
    not load.
    """
    seen = None
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError):
            files = [file for file in path.parent.glob(f"{path.name}*") if file.suffix != ".shm"]
            now = sorted((file.name, file.stat().st_mtime_ns) for file in files)
            if path.is_file() and now != seen:
                changed(await _read(path, counter))
                seen = now
        await asyncio.sleep(_LOOK_EVERY_S)


async def _read(path: Path, counter: Path | None) -> Budget:
    command = ["nice", "-n", "10", *own_program("fl_client", "ledger", "--json")]
    command += ["--home", str(path)] + (["--counter", str(counter)] if counter else [])
    reader = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    shown, wrong = await reader.communicate()
    if reader.returncode:
        return {"trouble": wrong.decode().strip()}
    return summary_of(json.loads(shown)["blocks"])
