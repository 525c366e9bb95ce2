"""Counts outcomes and latencies, and judges them by objectives."""
