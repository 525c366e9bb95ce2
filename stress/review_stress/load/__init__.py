"""Generates the load: profiles, request bodies, and the processes that send them."""
