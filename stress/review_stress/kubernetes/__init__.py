"""Observation of the Deployment and its HorizontalPodAutoscaler during a run."""
