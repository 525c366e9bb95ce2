"""Decides who may call the service, and how often: API keys and rate limits."""
