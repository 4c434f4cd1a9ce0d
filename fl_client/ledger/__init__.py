"""The privacy ledger of a site: a durable record of what was spent, per block of data."""
