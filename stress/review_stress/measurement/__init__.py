"""Outcomes, latency statistics and objectives."""
