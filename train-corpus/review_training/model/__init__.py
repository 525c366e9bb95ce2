"""Fits the parts of a model: vocabulary, TF-IDF, linear base, trees."""
