"""Models of `gguf_files` written and loaded once, and how they are compared."""

import dataclasses
import functools

import numpy as np
import pytest
from flax import nnx

from tests import gguf_files
from tests.family_parity import LOGITS, ids, logits, one
from xlbarrier.models import load

TOKENS = ids(1, 24)  # longer than the windows


def equal(ours, theirs):
    return np.abs(ours - theirs).max() <= LOGITS * np.abs(theirs).max()


def params(decoder):
    state = nnx.to_flat_state(nnx.state(decoder, nnx.Param))
    return {'.'.join(map(str, path)): np.asarray(value[...]) for path, value in state}


@dataclasses.dataclass(frozen=True)
class Made:
    """A case as a file, and loaded from it."""

    path: object
    model: object
    decoder: object

    @functools.cached_property
    def logits(self):
        return logits(self.decoder, one(), TOKENS)[0]


def make_once(root):
    """A function: name of a case -> `Made`, the same for the same name."""

    @functools.cache
    def make(name):
        model = gguf_files.make(name)
        path = gguf_files.write(root / f'{name}.gguf', model)
        return Made(path, model, load.load_decoder(path, one()))

    return make


def refused(path):
    """The message that the file is refused with, which names it."""
    with pytest.raises(ValueError) as error:
        load.load_decoder(path, one())
    assert str(path) in str(error.value)
    return str(error.value)
