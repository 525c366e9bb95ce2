"""Measures one property each of the servers."""
