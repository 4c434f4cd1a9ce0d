"""Everything that may leave a site, through one gateway."""
