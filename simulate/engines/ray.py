"""Flower's simulation runtime (Ray): the same two apps, a process per CPU, or a cluster.

``flwr.simulation.run_simulation`` is deprecated in 1.41 in favour of ``flwr run``, which takes an
app folder instead of app objects; this function is the one place that leans on it.
"""

import logging
import os
import warnings

from flwr.serverapp import ServerApp

from fl_client.app import SiteApp


def run_on_ray(server_app: ServerApp, client_app: SiteApp, sites: int, cpus_per_site: int) -> None:
    """Run both apps with one virtual SuperNode per site, to the end of the ServerApp."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("flwr").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from flwr.simulation import run_simulation

        run_simulation(
            server_app,
            client_app,
            num_supernodes=sites,
            backend_config={
                "client_resources": {"num_cpus": cpus_per_site, "num_gpus": 0.0},
                "init_args": {"include_dashboard": False, "log_to_driver": False},
            },
        )
