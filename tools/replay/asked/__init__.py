"""The requests, by what they ask for."""
