"""Malformed inputs, generated from valid ones, and the functions that meet them."""
