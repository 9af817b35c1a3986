"""The comparison with torch that tests and benchmarks/families.py share."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
import torch
from flax import nnx

from tests import torch_families
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load, tables, weights

LOGITS = 1e-4  # of the largest logit
GRADIENTS = 1e-3  # relative norm, of each parameter
TOKENS = 30  # longer than the windows of the cases, and than 'llama_dynamic' was trained on


def one() -> jax.sharding.Mesh:
    """A mesh of one device."""
    return mesh_lib.make_mesh(devices=jax.devices()[:1])


def ids(*shape: int, seed: int = 0) -> np.ndarray:
    """int32 ids that every case has."""
    return np.random.default_rng(seed).integers(3, 128, shape).astype(np.int32)


@nnx.jit
def _forward(decoder, batch):
    return decoder(batch['tokens'], batch['positions'], batch['until'])


@nnx.jit
def _forward_and_backward(decoder, batch, weights_BT):
    def loss(decoder):
        logits_BTV = decoder(batch['tokens'], batch['positions'], batch['until'])
        hot_BTV = jax.nn.one_hot(batch['tokens'][:, 1:], logits_BTV.shape[-1])
        picked_BT = (logits_BTV[:, :-1] * hot_BTV).sum(-1)
        nats_BT = jax.nn.logsumexp(logits_BTV[:, :-1], -1) - picked_BT
        return (nats_BT * weights_BT).sum(), logits_BTV

    return nnx.grad(loss, has_aux=True)(decoder)


def _batch(mesh, tokens_BT, positions_BT=None, until_BT=None):
    places = np.broadcast_to(np.arange(tokens_BT.shape[1], dtype=np.int32), tokens_BT.shape)
    batch = {
        'tokens': tokens_BT,
        'positions': places if positions_BT is None else positions_BT,
        'until': np.full_like(tokens_BT, places[0, -1]) if until_BT is None else until_BT,
    }
    return mesh_lib.put_batch(batch, mesh)


def logits(decoder, mesh, tokens_BT, positions_BT=None, until_BT=None) -> np.ndarray:
    """float32 [B, T, V]; plain causal rows where nothing else is said."""
    with jax.set_mesh(mesh):
        return np.asarray(_forward(decoder, _batch(mesh, tokens_BT, positions_BT, until_BT)))


@dataclass(frozen=True)
class Parity:
    """How far our decoder is from torch's model.

    Attributes:
      logits: largest difference of a logit, over the largest logit.
      gradients: largest distance of a parameter's gradient, relative to the norm of torch's.
      worst: the file's key of that parameter.
    """

    logits: float
    gradients: float
    worst: str


def compare(
    folder: pathlib.Path,
    reference=None,
    gradients: Callable[..., dict[str, np.ndarray]] = torch_families.gradients,
) -> Parity:
    """Logits and gradients of the summed next-token loss of three texts of different lengths.

    Args:
      folder: a Hugging Face folder.
      reference: torch's model of it; transformers reads it where None.
      gradients: the reference's, by the file's keys.
    """
    decoder = load.load_decoder(folder, one())
    reference = reference or torch_families.read(folder)
    # The longest last: transformers' dynamic rotary table remembers a longer text.
    tokens_BT, lengths = ids(3, TOKENS), np.array((5, 17, TOKENS))
    places_T = np.arange(TOKENS, dtype=np.int32)
    text_BT = places_T < lengths[:, None]  # the rest is padding, which only itself sees
    batch = _batch(
        one(),
        tokens_BT,
        np.where(text_BT, places_T, 0),
        np.where(text_BT, lengths[:, None] - 1, places_T).astype(np.int32),
    )
    with jax.set_mesh(one()):
        weights_BT = text_BT[:, 1:].astype(np.float32)
        state, ours_BTV = _forward_and_backward(decoder, batch, weights_BT)
    far, largest = 0.0, 0.0
    for row, length, ours_TV in zip(tokens_BT, lengths, np.asarray(ours_BTV), strict=True):
        x = torch.tensor(row[None, :length].astype(np.int64))
        out = reference(x, use_cache=False).logits[0]
        torch.nn.functional.cross_entropy(out[:-1], x[0, 1:], reduction='sum').backward()
        theirs_TV = out.detach().numpy()
        far = max(far, float(np.abs(ours_TV[:length] - theirs_TV).max()))
        largest = max(largest, float(np.abs(theirs_TV).max()))
    worst, error = _gradient_error(decoder, state, gradients(reference))
    return Parity(far / largest, error, worst)


def _gradient_error(decoder, state, theirs) -> tuple[str, float]:
    ours = {'.'.join(map(str, path)): np.asarray(v[...]) for path, v in nnx.to_flat_state(state)}
    # Some gradients are zero but for rounding, such as that of a bias of the keys, which moves all
    # scores of a query alike: a difference of 1e-4 of the whole gradient counts as theirs.
    least = 1e-4 * np.sqrt(sum(float((g**2).sum()) for g in theirs.values()))
    errors = {}
    for key, parts in weights.arrays_of(tables.hf_table(decoder.config), decoder.config.num_layers):
        wanted = theirs.pop(key)
        got = weights.assemble(
            parts, wanted.dtype, lambda path, i: ours[path] if i is None else ours[path][i]
        )
        scale = max(np.linalg.norm(wanted), least)
        errors[key] = float(np.linalg.norm(got - wanted) / scale)
    assert not theirs, f'torch has more parameters: {sorted(theirs)}'
    return max(errors.items(), key=lambda item: item[1])
