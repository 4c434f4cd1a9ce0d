"""Independent judges of what the tests check, each in an environment of its own."""
