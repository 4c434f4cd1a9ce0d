"""Everything beside the sensors: a site's data path, training, ledger and release."""
