"""Inference on a box: models in their slots, the engine, the Open Inference Protocol."""
