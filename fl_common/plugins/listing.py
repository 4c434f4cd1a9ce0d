"""The command ``plugins``: the installed plugins, what they add, and whether they work."""

from collections.abc import Iterator

from fl_common.errors import JoinTheDotsError
from fl_common.plugins.installed import Offer, Plugin, offered, offers, plugins
from fl_common.plugins.kinds import KINDS

_NONE = "No plugin is installed. docs/how-to/add-your-own.md shows how to write one."


def listing() -> tuple[str, bool]:
    """The installed plugins as printable lines, and whether all of them can be used."""
    lines, works = [], True
    found, names = plugins(), [offer for kind in KINDS for offer in offers(kind)]
    distributions = [*(one.distribution for one in found), *(one.distribution for one in names)]
    for distribution in dict.fromkeys(distributions):
        lines.append(distribution)
        for plugin in found:
            if plugin.distribution == distribution:
                lines += _brought(plugin)
        for offer in names:
            if offer.distribution == distribution:
                problem = _problem(offer)
                works = works and problem is None
                lines.append(f"  {offer.kind.name} {offer.name}: {problem or offer.target}")
    return "\n".join(lines or [_NONE]), works


def _brought(plugin: Plugin) -> Iterator[str]:
    """Its options in the form of command-line overrides."""
    for option in plugin.options:
        group, _, name = option.rpartition("/")
        yield f"  {group}={name}" if group else f"  conf/{name}.yaml"
    if not plugin.options:
        yield f"  {plugin.name}: no options, for {plugin.package} has no folder conf"


def _problem(offer: Offer) -> str | None:
    try:
        offered(offer.kind, offer.name)
        offer.load()
    except JoinTheDotsError as error:
        return f"can't be used: {error}"
    return None
