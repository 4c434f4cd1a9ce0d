"""Models: tasks, networks, and export to ONNX."""

from fl_common.telemetry import switch_off

switch_off()
