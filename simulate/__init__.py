"""A world for the real client and server: data, a fleet of sites, engines, the report."""
