"""Birth certificates of Sparkplug B: what the metrics of an edge node or a device are called."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fl_common.files.whole import OWNER_ONLY, write_whole

_LOG = logging.getLogger(__name__)
_MOST = 256  # of those whose births are kept
_Row = tuple[int | None, str, int]  # alias, name, number of the data type


class Metric(NamedTuple):
    """A metric's name and number of its data type, 0 if it was not said."""

    name: str
    datatype: int


class Birth(NamedTuple):
    """The metrics of one edge node or device, by their aliases and by their names."""

    by_alias: Mapping[int, Metric]
    by_name: Mapping[str, Metric]


class Births:
    """The latest birth of each edge node or device, in ``file`` so that a restart knows them.

    A birth is sent once, when a device connects, and data name metrics by their aliases only. Names
    are kept there and no values. Several sensors may share the file. One that can't be read, or
    written, is told in the log.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._births = self._read()

    def of(self, device: str) -> Birth | None:
        """The birth of a device; None if none was heard."""
        return self._births.get(device)

    def keep(self, device: str, birth: Birth) -> None:
        """Take a birth in the place of an older one."""
        if self._births.get(device) == birth:
            return
        self._births = self._read() | self._births
        self._births.pop(device, None)
        self._births[device] = birth
        while len(self._births) > _MOST:
            del self._births[next(iter(self._births))]
        try:
            write_whole(self._file, json.dumps(self._content()).encode(), OWNER_ONLY)
        except OSError as error:
            _LOG.warning(
                "%s can't be written (%s): after a restart, data by alias are malformed until the"
                " devices send their births again", self._file, error.strerror)  # fmt: skip

    def forget(self, device: str) -> None:
        """A device, or an edge node with its devices, is gone until its next birth."""
        gone = [one for one in self._births if one == device or one.startswith(f"{device}/")]
        for one in gone:
            del self._births[one]

    def _content(self) -> dict[str, list[_Row]]:
        return {
            device: [
                *((None, *metric) for metric in birth.by_name.values()),
                *((alias, *metric) for alias, metric in birth.by_alias.items()),
            ]
            for device, birth in self._births.items()
        }

    def _read(self) -> dict[str, Birth]:
        try:
            content = json.loads(self._file.read_bytes())
            return {device: _birth(metrics) for device, metrics in content.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            _LOG.warning(
                "%s can't be read (%s): data by alias are malformed until the devices send their"
                " births again", self._file, type(error).__name__)  # fmt: skip
            return {}


def _birth(metrics: list[_Row]) -> Birth:
    by_alias, by_name = dict[int, Metric](), dict[str, Metric]()
    for alias, name, datatype in metrics:
        if alias is None:
            by_name[name] = Metric(name, datatype)
        else:
            by_alias[alias] = Metric(name, datatype)
    return Birth(by_alias, by_name)
