"""Trained networks beside each other: symmetries of their units, matching, barriers between them, slices."""
