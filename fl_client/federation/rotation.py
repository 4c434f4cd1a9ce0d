"""Another key for a box, which the server takes at the word of the old one."""

from pathlib import Path

from fl_client.federation.desk import DeskClient
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.files.keys import SigningKey, fingerprint, make_key
from fl_common.files.whole import move_whole
from fl_common.wire.desk import write_request

_NEW = ".new"


def rotate(name: str, federation: Config) -> str:
    """Exchange the key of site ``name`` in the ``federation`` section; the new fingerprint.

    The new key lies beside the old one until the server has taken it, so that this can be done
    again whatever was cut off. The link takes it when it connects again, which it must at once.

    Raises:
        InvalidConfiguration: a file can't be read or written, or the server refuses.
        RunFailed: the server can't be reached. The old key stays.
    """
    path = Path(federation["key_file"])
    fresh = path.with_name(path.name + _NEW)
    old = SigningKey(path)
    if not fresh.exists():
        make_key(fresh)
    new = SigningKey(fresh)
    values = {"name": name, "public_key": new.public.decode()}
    content = write_request("rotate", values, [old, new])
    desk = DeskClient(str(federation["server"]))
    try:
        authority = Path(federation["ca_file"]).read_bytes()
    except OSError as error:
        raise InvalidConfiguration(
            f"federation.ca_file={federation['ca_file']}",
            f"can't be read ({error.strerror})",
            "See: fl-server enroll SITE",
        ) from error
    desk.ask("rotate", content, authority)
    move_whole(fresh, path)
    return fingerprint(new.public)
