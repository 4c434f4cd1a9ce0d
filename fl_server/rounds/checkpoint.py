"""Checkpoints of a run: one file per round, of which the last two are kept.

A file is a magic word, the length of a JSON header (8 bytes), the header, all arrays as
little-endian float32 in the header's order, and the sha256 of everything before it. A file is valid
only if that digest matches, so a truncated or corrupted file is never read as parameters. It is
written under a temporary name, synced and renamed: after a crash the previous file is still the
newest.
"""

import hashlib
import json
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fl_common.errors import BadInput, InvalidConfiguration, InvalidData
from fl_common.files.whole import PART, whole_file
from fl_common.vocabulary import Floats, Parameters
from fl_server.optimisers import State

_MAGIC = b"JTDCKPT\n"
_FORMAT = 2
_KEPT = 2
_NAME = re.compile(r"round-(\d{6,})\.checkpoint")
_DIGEST_BYTES = 32

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next round needs from earlier rounds.

    ``round`` is the last completed one (0: none). ``history`` has a row of JSON values for each.
    """

    run: str
    plan_digest: str
    round: int
    parameters: Parameters
    optimiser_state: State
    history: Sequence[dict[str, Any]]


class _Damaged(Exception):
    """The file is not, or no longer, what ``save`` wrote."""


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write ``checkpoint`` durably to ``folder``, created if missing; the path of its file.

    Of the other files the newest of an earlier round is kept; all others are deleted.

    Raises:
        InvalidConfiguration: the folder can't be made or written, or the disk is full. What was
            there before is still there.
    """
    path = folder / f"round-{checkpoint.round:06d}.checkpoint"
    try:
        with whole_file(path) as file:
            _write(file, checkpoint)
        _prune(folder, path)
    except OSError as error:
        raise InvalidConfiguration(
            f"checkpoint folder {folder}",
            f"can't be written ({error.strerror or error})",
            "Free space there, or choose an output folder that can be written",
        ) from error
    return path


def load_latest(folder: Path) -> Checkpoint | None:
    """The newest intact checkpoint in ``folder``; None if there is no checkpoint at all.

    A damaged file is skipped with a warning, and the previous one is used.

    Raises:
        InvalidConfiguration: not a folder, or a checkpoint of another version of the format.
        InvalidData: there are checkpoints, and all of them are damaged.
    """
    paths = _newest_first(folder)
    for path in paths:
        try:
            return _read(path)
        except (_Damaged, OSError) as error:
            _logger.warning("skipping checkpoint %s: %s", path, error)
    if paths:
        raise InvalidData(
            f"checkpoints in {folder}",
            f"all {len(paths)} of them are damaged",
            "Start a new run without resume, or put back a copy of this folder",
        )
    return None


def check_plan(checkpoint: Checkpoint, plan_digest: str) -> None:
    """Raise InvalidConfiguration unless ``checkpoint`` was made under the plan of this digest."""
    if checkpoint.plan_digest != plan_digest:
        raise InvalidConfiguration(
            f"checkpoint of run {checkpoint.run} with plan {checkpoint.plan_digest}",
            f"does not belong to this run's plan {plan_digest}",
            "Resume with the overrides, and the version of this package, that the run began with,"
            " or start a new run without resume",
        )


def _write(file: BinaryIO, checkpoint: Checkpoint) -> None:
    digest = hashlib.sha256()
    for chunk in _chunks(checkpoint):
        digest.update(chunk)
        file.write(chunk)
    file.write(digest.digest())


def _chunks(checkpoint: Checkpoint) -> Iterator[bytes | memoryview]:
    header = {
        "format": _FORMAT,
        "run": checkpoint.run,
        "plan_digest": checkpoint.plan_digest,
        "round": checkpoint.round,
        "history": list(checkpoint.history),
        "parameters": _shapes(checkpoint.parameters),
        "optimiser_state": {
            slot: _shapes(part) for slot, part in checkpoint.optimiser_state.items()
        },
    }
    text = json.dumps(header).encode()
    yield _MAGIC + len(text).to_bytes(8, "little") + text
    for part in (checkpoint.parameters, *checkpoint.optimiser_state.values()):
        for array in part.values():
            yield np.ascontiguousarray(array, dtype="<f4").reshape(-1).view(np.uint8).data


def _shapes(parameters: Parameters) -> dict[str, list[int]]:
    return {name: list(array.shape) for name, array in parameters.items()}


def _prune(folder: Path, written: Path) -> None:
    """Keep ``written`` and the newest before it; later ones are from abandoned rounds."""
    paths = _newest_first(folder)
    earlier = paths[paths.index(written) + 1 :]
    unneeded = {*paths, *folder.glob(f".round-*{PART}")} - {written, *earlier[: _KEPT - 1]}
    for path in unneeded:
        path.unlink()


def _newest_first(folder: Path) -> list[Path]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidConfiguration(
            f"checkpoint folder {folder}",
            f"can't be read ({error.strerror or error})",
            "Name the folder that a run with checkpoints left",
        ) from error
    rounds = [(int(match[1]), name) for name in names if (match := _NAME.fullmatch(name))]
    return [folder / name for _, name in sorted(rounds, reverse=True)]


def _read(path: Path) -> Checkpoint:
    content = path.read_bytes()
    body, digest = memoryview(content)[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if not content.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        raise _Damaged("its sha256 does not hold, so it is cut or damaged")
    try:
        return _decoded(body, path)
    except BadInput:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _Damaged(f"its header can't be read ({error!r})") from error


def _decoded(body: memoryview, path: Path) -> Checkpoint:
    start = len(_MAGIC) + 8
    arrays_at = start + int.from_bytes(body[len(_MAGIC) : start], "little")
    header = json.loads(bytes(body[start:arrays_at]))
    if header["format"] != _FORMAT:
        raise InvalidConfiguration(
            f"checkpoint {path}",
            f"has format {header['format']}, and this version reads format {_FORMAT}",
            "Resume with the version that wrote it, or begin another run, under another name",
        )
    arrays = _Arrays(body, arrays_at)
    return Checkpoint(
        run=header["run"],
        plan_digest=header["plan_digest"],
        round=header["round"],
        parameters=arrays.take(header["parameters"]),
        optimiser_state={
            slot: arrays.take(shapes) for slot, shapes in header["optimiser_state"].items()
        },
        history=tuple(header["history"]),
    )


class _Arrays:
    """Reads the arrays of a file one after another."""

    def __init__(self, body: memoryview, start: int) -> None:
        self._body, self._at = body, start

    def take(self, shapes: Mapping[str, list[int]]) -> Parameters:
        return {name: self._one(shape) for name, shape in shapes.items()}

    def _one(self, shape: list[int]) -> Floats:
        count = math.prod(shape)
        array_E = np.frombuffer(self._body[self._at : self._at + 4 * count], dtype="<f4")
        self._at += 4 * count
        return array_E.astype(np.float32).reshape(shape)
