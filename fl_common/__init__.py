"""What both tiers share: domain types, plans, wire messages, privacy accounting."""
