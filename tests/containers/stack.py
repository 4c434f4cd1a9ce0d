"""The running stack as a person looks at it: by commands inside its containers."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.support.docker import Engine
from tests.support.sources import ROOT

EDGES = ("edge-a", "edge-b", "edge-c")
SERVICES = ("broker", "cloud", "player", *EDGES)
_PATIENCE_S = 400.0
_T = TypeVar("_T")

_ROUND = (
    "import json, pathlib; p = pathlib.Path('server/runs/first/round.json');"
    "print(p.read_text() if p.is_file() else '{\"round\": 0}')"
)
_ASKED = (
    "import json; from pathlib import Path; from fl_server.rounds.checkpoint import load_latest;"
    "history = load_latest(Path('server/runs/first/checkpoints')).history;"
    "print(json.dumps([[row['round'], row['asked']] for row in history]))"
)
_CHARGES = (
    "import json, sqlite3; rows = sqlite3.connect('file:site/ledger.sqlite?mode=ro', uri=True)"
    ".execute('select round, count(*) from charge group by run, round');"
    "print(json.dumps(dict(rows)))"
)


@dataclass(frozen=True)
class Stack:
    """The services of ``stacks/compose.yaml`` on ``engine``."""

    engine: Engine

    def compose(self, *words: str) -> str:
        """``docker-compose`` with the project that ``make up`` started."""
        accounts = ("--env-file", str(ROOT / ".stack" / "accounts.env"))
        line = ("docker-compose", *accounts, "-f", "stacks/compose.yaml", "-p", "join-the-dots")
        return self.engine.out(*line, *words)

    def container(self, service: str) -> str:
        """The container's identity."""
        return self.compose("ps", "-q", service)

    def inspected(self, service: str) -> dict[str, Any]:
        """What the engine knows of the container."""
        found: list[dict[str, Any]] = json.loads(
            self.engine.out("docker", "inspect", self.container(service))
        )
        return found[0]

    def shell(self, service: str, *command: str, check: bool = True) -> str:
        """What a command in the container prints."""
        line = ("docker", "exec", self.container(service), *command)
        return self.engine.run(*line, check=check).stdout.strip()

    def python(self, service: str, code: str) -> Any:
        """What a line of Python in the container prints, as JSON."""
        return json.loads(self.shell(service, "python", "-c", code))

    def status(self, box: str) -> dict[str, Any]:
        """``fl-client status`` of a box."""
        line = ("fl-client", "status", "--json", "--home", "site")
        values: dict[str, Any] = json.loads(self.shell(box, *line))
        return values

    def round(self) -> dict[str, Any]:
        """The newest round of the run."""
        values: dict[str, Any] = self.python("cloud", _ROUND)
        return values

    def charges(self, box: str) -> dict[int, int]:
        """How often the box's ledger has each round."""
        return {int(round_): number for round_, number in self.python(box, _CHARGES).items()}

    def rounds_that_ask_all(self) -> set[int]:
        """All of them, unless a box's heartbeat was late on a busy machine."""
        return {round_ for round_, asked in self.python("cloud", _ASKED) if asked == len(EDGES)}

    def kill(self, service: str) -> None:
        """``docker kill``, which is -9; then ``docker-compose up`` again."""
        before = self.container(service)
        self.engine.out("docker", "kill", before)
        self.compose("up", "-d", service)
        assert self.inspected(service)["State"]["Running"]


def until(asked: Callable[[], _T], holds: Callable[[_T], bool], what: str) -> _T:
    """Ask until the answer is as wished; a question that fails is asked again."""
    deadline, seen = time.monotonic() + _PATIENCE_S, "nothing"
    while time.monotonic() < deadline:
        try:
            answer = asked()
            if holds(answer):
                return answer
            seen = str(answer)
        except (AssertionError, ValueError, KeyError) as error:
            seen = str(error)
        time.sleep(0.5)
    raise AssertionError(f"never: {what}; last seen {seen[-2000:]}")
