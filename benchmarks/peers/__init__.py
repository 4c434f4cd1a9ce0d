"""The same federated work with other frameworks; each module is a program for its own environment.

They import numpy, torch, the peer itself, and of this project only the networks and the plan.
"""
