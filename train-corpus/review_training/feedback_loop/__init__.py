"""Turns recorded feedback into a corpus, retrains, and rolls the new bundle out."""
