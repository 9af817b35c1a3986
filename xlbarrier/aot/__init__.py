"""Ahead-of-time compilation for machines that are not there: what a step would cost."""
