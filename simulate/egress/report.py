"""Report of an egress check: what left, and whether it held a sentinel."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import rich.console
from rich.table import Table
from rich.text import Text

from fl_common.plan import RunPlan
from simulate.egress.capture import Sent
from simulate.egress.search import Hit, search
from simulate.egress.sentinels import NAMES, READINGS, UNKNOWN_LABEL, patterns
from simulate.report.results import net_name, write_summary
from simulate.report.versions import versions
from simulate.report.wording import bytes_text, counted, privacy_sentence

_SHOWN = 20
"""Maximum number of findings shown on screen; the file has all."""
LIMITS = (
    "Searched for: the planted values as they are, in the forms listed in the file, also inside"
    " base64, hexadecimal, zlib, gzip, bzip2 and xz. Not for values that were rounded hard,"
    " encrypted, split up or mixed with others.",
    "A sum of gradients is made from the windows and is no sentinel: what it gives away is what"
    " epsilon bounds, and what python -m simulate audit tries to measure.",
)


@dataclass(frozen=True)
class EgressFinding:
    """A leak: ``what``, in which message, and where in it."""

    message: Sent
    what: str
    where: str


@dataclass(frozen=True)
class Egress:
    """All that left in a rehearsal of ``plan``, and the findings.

    ``failure`` is the reason if the run could not continue.
    """

    plan: RunPlan
    sites: int
    troubles: Mapping[str, str]
    sent: Sequence[Sent]
    findings: Sequence[EgressFinding]
    failure: str

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        whole = f"{counted(len(self.sent), 'message')}"
        size = bytes_text(sum(sent.size for sent in self.sent))
        if not self.findings:
            return f"Clean: no sentinel and nothing undeclared in {whole} ({size})."
        bad = len({id(finding.message) for finding in self.findings})
        return f"FOUND: {bad:,} of {whole} ({size}) held what should not have left."


def examine(plan: RunPlan, sent: Sequence[Sent]) -> list[EgressFinding]:
    """Search every message for every sentinel, and for anything that its kind does not declare."""
    wanted = patterns(plan.task)
    found = []
    for message in sent:
        if message.undeclared:
            found.append(EgressFinding(message, message.undeclared, "content"))
        for name, content in message.objects:
            for hit in search(content, wanted):
                found.append(EgressFinding(message, hit.pattern.what, _where(hit, name)))
    return found


def _where(hit: Hit, object_: str) -> str:
    return " in ".join((hit.pattern.form, *reversed(hit.inside), f"{object_} at byte {hit.offset}"))


def to_json(egress: Egress) -> dict[str, Any]:
    """The examination as JSON values."""
    plan = egress.plan
    return {
        "verdict": egress.verdict,
        "clean": not egress.findings,
        "failure": egress.failure,
        "findings": [_finding(finding) for finding in egress.findings],
        "messages": [{"asked": a, "answer": k, **row} for (a, k), row in _kinds(egress).items()],
        "planted": {"readings": READINGS, "names": NAMES, "label": UNKNOWN_LABEL},
        "forms": sorted({pattern.form for pattern in patterns(plan.task)}),
        "sites": egress.sites,
        "troubles": dict(egress.troubles),
        "task": plan.task.name,
        "shape": None if plan.task.shape is None else str(plan.task.shape),
        "net": net_name(plan),
        "privacy": privacy_sentence(plan),
        "rounds": plan.rounds,
        "run": plan.run,
        "plan_digest": plan.digest(),
        "limits": list(LIMITS),
        "versions": versions(),
    }


def write(path: Path, egress: Egress) -> None:
    """Write the examination to ``path`` atomically."""
    write_summary(path, to_json(egress))


def show(egress: Egress, path: Path, output: rich.console.Console) -> None:
    """Print what left, what was found, and what this does not prove."""
    in_a_file = not output.is_terminal  # lines are not cut there
    title = f"what left: {egress.plan.task.name}, {net_name(egress.plan)}"
    output.print()
    output.print(Text(f"{title}, {counted(egress.sites, 'site')}", "bold"))
    output.print(Text(privacy_sentence(egress.plan)), soft_wrap=in_a_file)
    output.print()
    output.print(_table(egress))
    output.print()
    for line in _lines(egress.findings):
        output.print(Text(line, "red"), soft_wrap=in_a_file)
    output.print(Text(egress.verdict, "bold red" if egress.findings else "bold green"))
    for limit in LIMITS:
        output.print(Text(f"- {limit}"), soft_wrap=in_a_file)
    output.print(Text(f"\negress      {path}"), soft_wrap=True)


def _kinds(egress: Egress) -> dict[tuple[str, str], dict[str, Any]]:
    """Messages, bytes and fields by request and reply, in order of arrival."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for sent in egress.sent:
        row = rows.setdefault((sent.asked, sent.kind), {"messages": 0, "bytes": 0, "fields": {}})
        row["messages"] += 1
        row["bytes"] += sent.size
        row["fields"].update(sent.fields)
    return rows


def _table(egress: Egress) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("asked", "answer", "messages", "bytes", "fields"):
        side: Literal["right", "left"] = "right" if name in ("messages", "bytes") else "left"
        table.add_column(name, justify=side, header_style="cyan", overflow="fold")
    for (asked, kind), row in _kinds(egress).items():
        fields = _fields_text(row["fields"])
        table.add_row(asked, kind, f"{row['messages']:,}", bytes_text(row["bytes"]), fields)
    return table


def _fields_text(fields: Mapping[str, str]) -> str:
    """``kind, site: str; round: int; 4 arrays of float32``."""
    names_of: dict[str, list[str]] = defaultdict(list)
    arrays: Counter[str] = Counter()
    for name, kind in fields.items():
        if "(" in kind:
            arrays[kind.split(" ")[0]] += 1
        else:
            names_of[kind].append(name.rpartition("/")[2])
    told = [f"{', '.join(names)}: {kind}" for kind, names in names_of.items()]
    return "; ".join(
        told + [f"{counted(count, 'array')} of {kind}" for kind, count in arrays.items()]
    )


def _lines(findings: Sequence[EgressFinding]) -> list[str]:
    lines = [
        f"node {f.message.node}, {f.message.asked}, {f.message.kind}: {f.what} ({f.where})"
        for f in findings[:_SHOWN]
    ]
    more = len(findings) - len(lines)
    return [*lines, f"... and {more} more in the file"] if more else lines


def _finding(finding: EgressFinding) -> dict[str, Any]:
    message = finding.message
    return {
        "node": message.node,
        "asked": message.asked,
        "answer": message.kind,
        "what": finding.what,
        "where": finding.where,
    }
