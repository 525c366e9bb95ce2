"""The record of predictions in Redis, and the second bundle that scores along; never in the way of an answer."""
