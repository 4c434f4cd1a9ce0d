"""A site's part in a round: participation, evaluation, shadow counts, and the owner's policy."""
