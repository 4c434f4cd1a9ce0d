"""What is learnt and published: tasks, networks, export to ONNX."""
