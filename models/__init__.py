"""Models: tasks, networks, and export to ONNX."""
