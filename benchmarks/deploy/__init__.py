"""A federation on real processes of this machine: rounds, a killed ServerApp, an idle site."""
