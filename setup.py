"""Installs xlbarrier: `pip install .`; the metadata and the dependencies are in pyproject.toml."""

from setuptools import setup

setup()
