"""Everything beside the sensors: a site's data path, training, ledger and release."""

from fl_common.telemetry import switch_off

switch_off()
