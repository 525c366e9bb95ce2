"""Limits the work that one worker accepts, and queues it."""
