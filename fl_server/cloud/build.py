"""From ``conf/server.yaml``, a file over it and overrides, to values; without torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fl_common.configuration.addresses import Endpoint, bare_host, endpoint
from fl_common.configuration.keys import check_added, check_keys, check_names
from fl_common.configuration.rules import (
    TEXT,
    Config,
    Rule,
    one_of,
    optional,
    require,
    whole,
)
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.plugins.own_file import composed
from fl_server.cloud.children import RestartPolicy
from fl_server.cloud.home import CloudHome


def _is_name_of_a_folder(value: object) -> bool:
    is_name = isinstance(value, str) and Path(value).name == value
    return is_name and str(value).isprintable() and value not in ("", "..")


_PLAIN_PARTS = ("training", "strategy", "compression", "publish")
RUN = Rule(
    "must be the name of a folder, without slashes",
    _is_name_of_a_folder,
)
_VALUES: Mapping[str, Rule] = {
    "superlink": one_of(["start", "join"]),
    "superlink_port": whole(1, 65535),
    "largest_message_bytes": whole(1),
    "run": optional(RUN),
    "sites": whole(1),
}
_PUBLISH: Mapping[str, Rule] = {"keys": optional(TEXT), "licence": TEXT}


def read_config(file: Path | None, overrides: Sequence[str]) -> Config:
    """The resolved configuration; ``file`` overrides the shipped one, ``overrides`` both.

    Raises:
        InvalidConfiguration: an unknown key, or invalid YAML.
    """
    check_names(overrides)
    check_added(overrides, lambda chosen: composed("server", file, chosen)[0])
    values, shipped = composed("server", file, overrides)
    check(values, shipped)
    return values


def check(values: Config, shipped: Config) -> None:
    """Raise InvalidConfiguration for a key that nothing reads, or a value of another kind."""
    check_keys(values, shipped, _PLAIN_PARTS)
    for name, rule in _VALUES.items():
        require(name, values[name], rule)
    for name, rule in _PUBLISH.items():
        require(f"publish.{name}", values["publish"][name], rule)


def home_of(config: Config) -> CloudHome:
    """The server's folder.

    Raises:
        InvalidConfiguration: no path, or one with a character that Flower would read as something
            else.
    """
    require("home", config["home"], TEXT)
    folder = Path(config["home"]).absolute()
    if not str(folder).isprintable() or {"?", "%"} & set(str(folder)):
        raise InvalidConfiguration(
            f"home={folder}",
            "can't have ? or % or a control character: the SuperLink keeps its database by a URL",
            "Choose another folder",
        )
    return CloudHome(folder)


def listen_of(config: Config) -> Endpoint:
    """Where the proxy listens; a port alone, or the host ``*``, is any address of IPv4.

    Raises:
        InvalidConfiguration: no port, or no address.
    """
    text = str(config["listen"])
    whole = f"0.0.0.0:{text}" if text.isdecimal() else text.replace("*:", "0.0.0.0:", 1)
    try:
        return endpoint("listen", whole)
    except InvalidConfiguration as error:
        raise InvalidConfiguration(
            f"listen={text}", "must be HOST:PORT or PORT", "Give such as 0.0.0.0:8443 or [::]:8443"
        ) from error


def hosts_of(config: Config) -> list[str]:
    """Names and addresses under which sites reach the server.

    Raises:
        InvalidConfiguration: none, or something else.
    """
    hosts = config["hosts"]
    if not isinstance(hosts, list) or not hosts:
        raise InvalidConfiguration(
            f"hosts={hosts}", "must name the server", "Give such as hosts=[fl.example.org]"
        )
    return [bare_host("hosts", str(host)) for host in hosts]


def build_restart_policy(config: Config) -> RestartPolicy:
    """The policy for restarting children that ended."""
    restart_policy: RestartPolicy = build(config["restart"], at="restart")
    return restart_policy
