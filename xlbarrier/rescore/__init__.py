"""Recorded answers in, tables out: no model is run and no jax is loaded."""
