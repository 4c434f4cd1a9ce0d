"""A component's history in plain words, from its signed events and verdicts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fl_common.components.description import Component, Kind, Stage
from fl_server.repository.store.observations import RUNNING, SHADOW, observations
from fl_server.repository.store.repository import ComponentRepository
from fl_server.repository.store.statements import NOTHING, Event, Verdict
from fl_server.rounds.counts import measures_text

_INDENT = "    "
_NAMED = 10


def life(repository: ComponentRepository, kind: Kind, name: str) -> Iterator[str]:
    """One line per event, oldest first; then the current state."""
    events = [event for stage in Stage for event in repository.history(kind, name, stage)]
    verdicts = {
        digest: repository.verdicts(digest) for digest in {event.digest for event in events}
    }
    versions = {event.digest: event.version for event in events}
    entries: list[tuple[str, list[str]]] = []
    before: dict[str, str] = {}
    for event in sorted(events, key=lambda event: event.at):
        component = repository.component(event.digest, kind, name)
        entries.append((event.at, _event(event, component, before.get(event.stage))))
        before[event.stage] = event.version
    for digest, given in verdicts.items():
        entries += [(one.at, [_verdict(one, versions[digest])]) for one in given]
    for digest, version in versions.items():
        for seen in observations(repository, SHADOW, digest):
            entries.append((seen.at, [f"version {version} {shadow_words(seen.values)}."]))
    for at, lines in sorted(entries):
        yield f"{_when(at)}  {lines[0]}"
        yield from (_INDENT + line for line in lines[1:])
    yield from _now(repository, kind, name)
    yield from _where(repository, versions)


def _event(event: Event, component: Component, before: str | None) -> list[str]:
    """The event in a sentence, and the lines below it."""
    who, by = f"version {event.version} ({event.digest[:12]})", _by(event)
    replaced = f", in place of version {before}" if before not in (None, event.version) else ""
    if event.what == "added":
        described = component.description
        parent = [f"Made from {described['parent'][:12]}."] if "parent" in described else []
        return [f"{who} was added to {event.stage}{replaced}.", *_origin(described), *parent]
    if event.what == "promoted":
        passed = ", ".join(event.verdicts)
        first = _for_whom(event.canary_percent)
        promoted = f"{who} was promoted to {event.stage}{first}{replaced}"
        return [f"{promoted}; it had passed {passed}.", by]
    if event.what == "forced":
        open_gates = [gate for gate, passed in event.verdicts.items() if not passed]
        failed = f" It had failed {', '.join(open_gates)}." if open_gates else ""
        first = _for_whom(event.canary_percent)
        forced = f"{who} was FORCED into {event.stage}{first}{replaced}"
        return [f"{forced}: {event.reason}.{failed}", by]
    because = f": {event.reason}" if event.reason else ""
    if event.what == "rolled back":
        return [f"{event.stage} was rolled back to {who}{replaced}{because}.", by]
    return [f"{who} was retired from {event.stage}{because}.", by]


def _by(event: Event) -> str:
    """The signers: the holders of these keys (``fl-repo keys`` lists the identities)."""
    keys = ", ".join(keyid[:12] for keyid in event.signed_by)
    return f"Signed with the {event.stage} key{'s' * (len(event.signed_by) > 1)} {keys}."


def _origin(description: Mapping[str, Any]) -> list[str]:
    """The origin: a run, or a third party."""
    if "run" in description:
        sites = description.get("sites")
        fleet = f" on {sites} sites" if sites is not None else ""
        rounds = f" in {description['rounds']} rounds" if "rounds" in description else ""
        trained = f"Trained by run {description['run']}{rounds}{fleet}: {_privacy(description)}."
        known = measures_text(description.get("metrics", {}))
        return [trained, *([f"When it was published: {known}."] if known else [])]
    if "origin" in description:
        return [f"Comes from {description['origin']}, under {description['licence']}."]
    return [f"Licence {description['licence']}."]


def _privacy(description: Mapping[str, Any]) -> str:
    privacy = description.get("privacy", {"unit": "none"})
    if privacy["unit"] == "none" or "epsilon" not in privacy:
        return "no differential privacy"
    seeded = "" if privacy.get("noise_generator") == "operating system" else ", seeded noise"
    return (
        f"epsilon {privacy['epsilon']:.3g} at delta {privacy.get('delta', 0):g}"
        f" for one {privacy['unit']}{_held_out(privacy)}{seeded}"
    )


def _held_out(privacy: Mapping[str, Any]) -> str:
    """What evaluations spent on windows that were held out."""
    spent = privacy.get("epsilon_held_out")
    return "" if spent is None else f", epsilon {spent:.3g} for one that was held out"


def _verdict(verdict: Verdict, version: str) -> str:
    word = verdict.word if verdict.word != NOTHING else f"had {NOTHING} at"
    return f"version {version} {word} {verdict.gate}: {verdict.detail}."


def _now(repository: ComponentRepository, kind: Kind, name: str) -> Iterator[str]:
    for stage in Stage:
        entry = repository.entry(kind, name, stage)
        if entry is None:
            yield f"It was never in {stage}."
        elif entry.retired:
            yield f"It is retired from {stage}."
        else:
            since = repository.history(kind, name, stage)[-1].at
            component = entry.component
            first = _for_whom(entry.canary_percent)
            yield f"Now {stage} has version {component.version}{first} since {_when(since)} UTC."


def _where(repository: ComponentRepository, versions: Mapping[str, str]) -> Iterator[str]:
    """The sites that run each version, as of their last reports."""
    seen = observations(repository, RUNNING, None)
    if not seen:
        yield "Where it runs is not known: no site was asked (fl-server running)."
        return
    values, at = seen[-1].values, _when(seen[-1].at)
    for digest, version in versions.items():
        if names := [site for site, runs in values["sites"].items() if digest in runs]:
            trying = [site for site in names if digest in values["on_trial"][site]]
            trial = f", on trial on {', '.join(trying)}" if trying else ""
            yield f"Version {version} runs on {_listed(names)}{trial}, as of {at} UTC."
    known = {site for site, runs in values["sites"].items() if versions.keys() & set(runs)}
    if others := sorted(values["sites"].keys() - known):
        yield f"It does not run on {_listed(others)}."
    for words, key in (("did not say what runs there", "untold"), ("away", "away")):
        if values[key]:
            yield f"Not known of {_listed(values[key])}: {words}."


def shadow_words(values: Mapping[str, Any]) -> str:
    """A candidate's results in the shadow of production, counted on sites' held-out windows."""
    shares = {name: values[f"{name}_share"] for name in ("agreed", "failed")}
    sites = f"on {values['sites']} site{'s' * (values['sites'] != 1)}"
    if None in shares.values():
        return f"ran in the shadow of production {sites}: too few windows for the noise to tell"
    noise = f", each number with noise of {values['noise']:.3g}" if values["noise"] else ""
    return (
        f"ran in the shadow of production {sites}: it agreed in {shares['agreed']:.1%} of about"
        f" {values['windows']:,.0f} held-out windows, and had no prediction for"
        f" {shares['failed']:.1%}{noise}"
    )


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
    return f"{len(names)} site{'s' * (len(names) != 1)} ({first})"


def _for_whom(canary_percent: int | None) -> str:
    return f" for {canary_percent} % of the sites" if canary_percent else ""


def _when(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M")
