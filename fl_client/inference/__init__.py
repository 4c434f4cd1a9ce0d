"""Inference on a box: model slots, the engine, and the Open Inference Protocol."""
