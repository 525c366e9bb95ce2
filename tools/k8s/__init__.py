"""Tests the manifests on a real cluster."""
