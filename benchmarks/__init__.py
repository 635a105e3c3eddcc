"""Figures, measured again by anyone."""
