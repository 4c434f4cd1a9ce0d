"""Independent judges of what the tests check, each in its own environment."""
