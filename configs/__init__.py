"""The shipped recipes: `--config=NAME` runs one, and a recipe of your own can import one.

from xlbarrier.recipes import quickstart
"""
