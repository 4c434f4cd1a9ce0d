"""One run from its configuration to its files: prepared, carried out, closed, published."""
