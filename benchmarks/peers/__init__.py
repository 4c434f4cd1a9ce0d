"""The same federated work by other means; each module is a program for an environment of its own.

They import numpy, torch, the peer itself, and of this project only the networks and the plan.
"""
