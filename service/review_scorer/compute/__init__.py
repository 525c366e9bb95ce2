"""CPU cores, worker processes and Dask clusters."""
