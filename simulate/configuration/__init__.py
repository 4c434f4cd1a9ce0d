"""The configuration of a run: what a person chose, composed, and the packages that it needs."""
