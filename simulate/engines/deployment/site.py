"""One site of ``engine=deployment`` as a process: the real link, on a world's windows.

python -m simulate.engines.deployment.site FILE

FILE is the JSON that ``engines/deployment/fleet.py`` writes.
"""

import json
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from fl_client.federation.build import build_link
from fl_common.programs.confinement import confine
from fl_common.programs.logs import log_to_standard_error
from fl_common.vocabulary import Task, Windows
from simulate.engines.deployment.model import Serving

_ANSWERS_BYTES = 1 << 26


def main() -> None:
    """Take part until SIGTERM."""
    confine()
    given: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    log_to_standard_error("info", quiet=("httpx",))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    site_app, folder = partial(_site_app, given), Path(given["folder"])
    Serving(folder, given["components"], partial(_recording, given)).start()
    build_link(given["federation"], site_app, stop, folder).run()
    os._exit(0)


def _recording(given: dict[str, Any]) -> tuple[Task, Windows]:
    from simulate.world.build import open_world

    world = open_world(given["world"])
    return world.task, world.windows(given["position"])


def _site_app(given: dict[str, Any]) -> Any:
    """In the trainer's process: the app of the simulated fleet, as the site at one position."""
    from fl_client.federation.reply_cache import ReplyCache
    from fl_client.federation.responder import Responder
    from simulate.build import build_site_app

    log_to_standard_error("info")
    app = build_site_app(given["world"], given["trainer"], Path(given["ledger"]))
    kept = ReplyCache(Path(given["folder"]) / "answers", _ANSWERS_BYTES)
    return Responder(app, kept, {"partition-id": given["position"]})


if __name__ == "__main__":
    main()
