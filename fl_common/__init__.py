"""What both tiers share: domain types, plans, wire messages, privacy accounting.

Importing it, or any package that builds on it, switches off the telemetry of other libraries.
"""

from fl_common.telemetry import switch_off

switch_off()
