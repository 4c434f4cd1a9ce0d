"""The only public endpoint: nginx, with the paths that sites need and no others.

Flower serves Control, Fleet and Runtime on one port, and Control has no authentication. The
proxy forwards the Fleet calls of an enrolled node, and refuses registration, app bundles and
everything else. The desk, where boxes enroll themselves, is this server's own. Components are
static files that anybody who reaches the proxy may read: they are signed, and readers verify them.

A connection without a whole request is closed after seconds, and the table of connections is wide
enough for many thousands of them; nginx can't count them by address. Whole requests are counted:
of one address few may run at once, and a limited number may begin in a second.
"""

import logging
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from fl_common.configuration.addresses import Endpoint
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import make_folder, write_whole
from fl_common.wire.desk import LARGEST_BYTES, PATH
from fl_server.cloud.certificates import Pair

_logger = logging.getLogger(__name__)

FLEET_CALLS = (
    "activate-node", "deactivate-node", "send-node-heartbeat", "pull-messages", "push-messages",
    "push-object", "pull-object", "confirm-message-received",
)  # fmt: skip
"""The calls that a site may make. ``register-node`` and ``get-fab`` are not among them."""

_TEXT = """\
# Written by fl-server at each start.
daemon off;{user}
worker_processes 1;
worker_rlimit_nofile {files};
pid nginx.pid;
error_log proxy.log info;
events {{
  worker_connections {connections};
  multi_accept on;
}}
http {{
  map $status $why {{
    default "";
    400 "not a request over TLS";
    401 "unknown or revoked key, or a wrong clock";
    403 "the run is over, or the file may not be read";
    404 "a path that sites have no use for";
    405 "a method that sites have no use for";
    412 "unknown or revoked key, or a session of this key that has not run out";
    408 "a request that did not come in time";
    413 "larger than largest_message_bytes";
    429 "too many requests from this address";
    502 "the SuperLink does not answer";
    504 "the SuperLink does not answer";
    ~^[45] "refused by the SuperLink; its log says more";
  }}
  log_format refusals '$time_iso8601 refused $remote_addr "$request" $status: $why';
  access_log proxy.log refusals if=$why;
  types {{ application/json json; }}
  default_type application/octet-stream;
  server_tokens off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size {largest};
  client_header_timeout 10s;
  client_body_timeout 20s;
  send_timeout 20s;
  keepalive_timeout 75s;
  reset_timedout_connection on;
  limit_conn_zone $binary_remote_addr zone=running:10m;
  limit_req_zone $binary_remote_addr zone=begun:10m rate={rate}r/s;
  limit_conn running {running};
  limit_conn_status 429;
  limit_conn_log_level info;
  limit_req zone=begun burst={rate} nodelay;
  limit_req_status 429;
  limit_req_log_level info;
  limit_req_zone $binary_remote_addr zone=desk:10m rate={desk_rate}r/s;
  limit_conn_zone $server_name zone=at_desk:1m;
  upstream superlink {{
    server 127.0.0.1:{superlink};
    keepalive 32;
  }}
  server {{
    listen {listen} ssl backlog=4096;
    ssl_certificate server.crt;
    ssl_certificate_key server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location ~ ^/v1/fleet/({calls})$ {{
      limit_except POST {{ deny all; }}
      proxy_pass https://superlink;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_ssl_trusted_certificate authority.crt;
      proxy_ssl_name localhost;
      proxy_ssl_verify on;
      proxy_request_buffering off;
      proxy_read_timeout 60s;
    }}
    location {desk} {{
      client_max_body_size {desk_bytes};
      limit_req zone=desk burst={desk_burst} nodelay;
      limit_conn at_desk {desk_running};
      proxy_pass http://unix:{socket}:;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_read_timeout 60s;
    }}
    location /components/ {{
      alias components/;
      limit_except GET {{ deny all; }}
      autoindex off;
    }}
    location / {{ return 404; }}
  }}
}}
"""


_CONFIGURATION = "nginx.conf"
SOCKET = "desk.sock"
"""Where the desk answers, in the folder in which the proxy runs."""
_FILES = 16384
_OTHER_FILES = 256
_RUNNING_OF_AN_ADDRESS = 256
"""Requests at once: many sites may have one address to the outside."""
_BEGUN_OF_AN_ADDRESS = 1000
"""Requests a second, and as many more at once."""
_RATE_AT_DESK, _BURST_AT_DESK, _RUNNING_AT_DESK = 5, 50, 32
"""Of an address, requests a second and as many more at once; and at once of all addresses."""


@dataclass(frozen=True)
class Proxy:
    """nginx on ``listen`` in front of the SuperLink's loopback port."""

    listen: Endpoint
    public: Pair
    superlink_port: int
    authority: Path
    """Of the SuperLink's own certificate."""
    components: Path
    work: Path
    log: Path
    largest_message_bytes: int

    def command(self) -> list[str]:
        """Write the configuration; returns the program and its arguments, to be run in ``work``.

        Raises:
            InvalidConfiguration: nginx is not installed.
        """
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
        if program is None:
            raise InvalidConfiguration(
                "nginx", "is not installed here", "Debian, Ubuntu: apt-get install nginx-light"
            )
        make_folder(self.work)
        make_folder(self.components)
        for name, target in self._links().items():
            link = self.work / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        write_whole(self.work / _CONFIGURATION, self.configuration().encode())
        return [program, "-p", "./", "-c", _CONFIGURATION, "-e", "proxy.log"]

    def _links(self) -> dict[str, Path]:
        """What the configuration names, in the folder in which the program starts.

        nginx has no way to quote some characters of a path (``$``): so it sees none of ours.
        """
        return {
            "server.crt": self.public.certificate,
            "server.key": self.public.key,
            "authority.crt": self.authority,
            "components": self.components,
            "proxy.log": self.log,
        }

    def configuration(self) -> str:
        """The text of ``nginx.conf``."""
        files = _files()
        root = os.geteuid() == 0  # workers would be nobody, who may not read the components
        return _TEXT.format(
            user="\nuser root;" if root else "",
            files=files,
            connections=files - _OTHER_FILES,
            running=_RUNNING_OF_AN_ADDRESS,
            rate=_BEGUN_OF_AN_ADDRESS,
            largest=self.largest_message_bytes,
            superlink=self.superlink_port,
            listen=self.listen,
            calls="|".join(FLEET_CALLS),
            desk=PATH,
            desk_bytes=LARGEST_BYTES,
            desk_rate=_RATE_AT_DESK,
            desk_burst=_BURST_AT_DESK,
            desk_running=_RUNNING_AT_DESK,
            socket=SOCKET,
        )


def _files() -> int:
    """Open files that nginx may have: a connection is one, to a site or to the SuperLink."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most >= _FILES:
        return _FILES
    _logger.warning(
        "only %d open files are allowed here, so %d connections at once: raise the hard limit"
        " (ulimit -Hn) to %d, or a stranger shuts sites out with few",
        most,
        most - _OTHER_FILES,
        _FILES,
    )
    return most
