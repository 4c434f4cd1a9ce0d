"""Everything in the cloud: rounds, aggregation, checkpoints, publishing."""
