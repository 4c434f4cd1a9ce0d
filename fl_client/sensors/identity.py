"""How a message is told from others: by its topic, its time stamps and its content.

Two messages are repetitions of each other only if they are equal. An ``id`` of the sender's is not
enough, since a counter wraps or begins anew at a restart; nor is a time stamp, which the messages
of one instant share. Messages without time stamps of their own may be equal and yet two: they are
told apart by their delivery.
"""

import hashlib
from typing import NamedTuple

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.transports import Delivery

_LONG = 200  # identities use the digest of a longer address


class Identity(NamedTuple):
    """``id`` is the same for repetitions alone; ``surely_new``: it can't be one, whatever its id.

    ``named`` is the message's own id with its address, None if it has none: no message with another
    content should have it.
    """

    id: str
    surely_new: bool = False
    named: str | None = None


def identity_of(delivery: Delivery, decoded: Decoded) -> Identity:
    """The identity of a message that could be read.

    Raises:
        InvalidPayload: the broker had kept it, and nothing says when it was measured.
    """
    named = _named(delivery, decoded.id)
    if not decoded.own_times:
        if delivery.retained:
            detail = "kept by the broker, and without a time of its own: nobody knows how old it is"
            raise InvalidPayload("retained", detail)
        return delivered(delivery)._replace(named=named)
    key = delivery.identity if delivery.by_sender else ""
    own = decoded.times_N.item(0) if decoded.id is None else decoded.id
    content = hashlib.blake2b(delivery.payload, digest_size=8).hexdigest()
    return Identity(f"{_short(delivery.address)} {own} {key}{content}", named=named)


def delivered(delivery: Delivery) -> Identity:
    """The identity of a delivery, which a repetition marked by transport or sender shares.

    What a broker has kept comes at each connection, and is the same each time.
    """
    digest = hashlib.blake2b(delivery.payload, digest_size=16)
    digest.update(delivery.address.encode("utf-8", "surrogateescape"))
    number = "retained" if delivery.retained else delivery.identity
    return Identity(f"{number} {digest.hexdigest()}", not (delivery.again or delivery.retained))


def _named(delivery: Delivery, own: str | None) -> str | None:
    own = delivery.identity if own is None and delivery.by_sender else own
    return None if own is None else f"{_short(delivery.address)} {own}"


def _short(address: str) -> str:
    if len(address) <= _LONG:
        return address
    return hashlib.blake2b(address.encode(), digest_size=16).hexdigest()
