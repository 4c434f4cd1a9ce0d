"""The words that both tiers speak: domain types, plans, the wire, privacy accounting."""
