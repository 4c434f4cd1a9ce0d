"""Values of a server's configuration that are of the wrong kind: one line with name and rule."""

import pytest

from fl_common.errors import InvalidConfiguration
from fl_server.cloud.build import home_of, hosts_of, listen_of, read_config


def read(override: str) -> None:
    config = read_config(None, [override])
    home_of(config)
    hosts_of(config)
    listen_of(config)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("home={a: 1}", "home={'a': 1}: must be a text"),
        ("home=[1,2]", "must be a text"),
        ("home=null", "home=None: must be a text"),
        ("hosts={a: 1}", "hosts must be a list"),
        ("hosts=3", "must name the server"),
        ("listen=null", "must be HOST:PORT or PORT"),
        ("publish=1.5", "publish=1.5: must be a section"),
        ("publish=[1,2]", "publish must be a section"),
        ("publish.licence=null", "publish.licence=None: must be a text"),
        ("run=../first", "run=../first: must be the name of a folder, without slashes"),
        ("run=", "must be the name of a folder"),
        ("run=..", "must be the name of a folder"),
        ("superlink=begin", "superlink=begin: must be start or join"),
        ("superlink_port=70000", "must be a whole number from 1 to 65535"),
        ("largest_message_bytes=many", "must be a whole number from 1"),
        ("restart=[1,2]", "restart must be a section"),
        ("strategy=3", "must be the name of an option, such as fedadam"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_in_one_line(override: str, says: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        read(override)
    line = str(refused.value)
    assert says in line
    assert not [word for word in ("DictConfig", "ListConfig", "\n") if word in line]
