"""How a trial is measured: machine, environments, limits, and a journal of what was done."""
