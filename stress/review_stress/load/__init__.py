"""Load generation: profiles, request bodies and sender processes."""
