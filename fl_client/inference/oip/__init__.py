"""The Open Inference Protocol: its messages as published, and the code generated from them."""
