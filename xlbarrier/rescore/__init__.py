"""Readers of recorded answers, one per layout; no model is run and no jax is loaded."""
