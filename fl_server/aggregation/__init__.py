"""Aggregators: from the updates of one round to their mean change."""
