"""Scores whole files, on one machine or on a Dask cluster."""
