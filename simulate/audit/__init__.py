"""An empirical lower bound on epsilon: canaries in one site's data, found again in its updates."""
