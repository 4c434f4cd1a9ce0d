"""Whether the proxy answers as a site would see it: over TLS, with the right certificate."""

import http.client
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fl_common.configuration.addresses import Endpoint

FIRST_ROOT = "/components/metadata/1.root.json"
"""What every box begins with."""
_SECONDS = 5.0
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def why_unreachable(listen: Endpoint, certificate: Path, path: str | None = None) -> str | None:
    """Why the proxy on ``listen`` does not serve ``path``, in a phrase; None if it does.

    ``certificate`` is the file that it must use. Without a ``path`` any answer will do.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # compared below instead
    host = _HERE.get(listen.host, listen.host)
    connection = http.client.HTTPSConnection(host, listen.port, timeout=_SECONDS, context=context)
    try:
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True)
        connection.request("GET", path or "/")
        status = connection.getresponse().status
        meant = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"the proxy on {listen} does not answer ({error})"
    finally:
        connection.close()
    if shown != meant.public_bytes(Encoding.DER):
        return f"another certificate than {certificate} is served on {listen}"
    if path is not None and status != http.HTTPStatus.OK:
        return f"{path} is not served on {listen} (status {status})"
    return None
