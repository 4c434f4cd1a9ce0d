"""Server optimisers: from the mean change of a round to the next global parameters."""
