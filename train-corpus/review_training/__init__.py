"""Trains, evaluates and exports the bundles that review_scorer serves."""
