"""A box's host with hostile functions beside a good one, to be traced: run as a program.

It makes the file ``begins`` in its folder once all were called, and ``ends`` after they were called
again; it prints what the good one told, who failed, and the threads of the host's process.
"""

import json
import sys
from pathlib import Path

from fl_client.components.sandbox import Grant, Sandboxes
from fl_client.functions.host import HostLimits
from fl_client.functions.host.process import HostProcess
from fl_client.functions.runner import Functions
from fl_common.programs.troubles import Troubles
from tests.support.samples import TASK
from tests.support.sandboxes import predicted

GRANT = Grant(("python", "wasm"), ("emit", "state", "log"), 50_000_000, 64, 32)
ROUNDS = 3


def main(folder: Path) -> None:
    """Run the functions in the folders in ``folder/functions``."""
    home = folder / "site"
    host = HostProcess(home, HostLimits(60.0, 256, GRANT.megabytes), Troubles())
    functions = Functions({}, host, 1000)
    sandboxes = Sandboxes(GRANT, TASK, 60.0, lambda without: 0)
    for place in sorted((folder / "functions").iterdir()):
        functions.use(place.name, sandboxes.source(place.name, place))
    functions(predicted("walk", 0))
    threads = [path.name for path in Path(f"/proc/{host.process_id}/task").iterdir()]
    (folder / "begins").touch()
    shown = [functions(predicted("rest", number)) for number in range(1, ROUNDS + 1)]
    (folder / "ends").touch()
    told = [event.data["seen"] for one in shown for name, event in one.found if name == "good"]
    failed = sorted({one.name for each in shown for one in each.failed})
    starts = dict(host.starts)
    host.close()
    found = {"told": told, "failed": failed, "threads": threads, "starts": starts}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
