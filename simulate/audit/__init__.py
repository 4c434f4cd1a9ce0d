"""An empirical lower bound on epsilon: canaries in one site's data, detected in its updates."""
