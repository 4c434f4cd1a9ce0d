"""A run on real processes: SuperLink, proxy, and a process for each site."""
