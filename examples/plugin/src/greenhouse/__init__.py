"""Greenhouses: an example of a package that extends Join the Dots without a fork."""
