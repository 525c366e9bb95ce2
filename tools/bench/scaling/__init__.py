"""Measures how training and scoring scale with the number of rows."""
