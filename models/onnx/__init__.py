"""ONNX files: what one may contain, how it is read and run, and how it is tried first."""
