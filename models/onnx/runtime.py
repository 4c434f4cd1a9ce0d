"""ONNX Runtime without its telemetry: the one module that imports it.

Its library decides at the import whether to report, so the environment is set before; see
``fl_common.telemetry``.
"""

from fl_common.telemetry import switch_off

switch_off()

import onnxruntime as onnxruntime  # noqa: E402

onnxruntime.disable_telemetry_events()
