"""Federated rounds: sampling, questions, folding, evaluation, checkpoints."""
