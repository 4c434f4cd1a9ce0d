"""Federated rounds: sampling, messages, folding, evaluation, checkpoints."""
