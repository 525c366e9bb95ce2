"""Runs a training: options, work directory, lock, steps on one machine or on Dask."""
