"""Small Llamas of transformers and torch: the reference that our decoder is held against."""

import pathlib

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

VALUES = dict(
    vocab_size=256,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    initializer_range=0.2,
)
SHAPES = {
    # 4 query heads on 2 kv heads, embeddings tied; divides over every mesh of the tests.
    'tied_gqa': dict(tie_word_embeddings=True),
    'untied_mha': dict(tie_word_embeddings=False, num_key_value_heads=4),
    # Nothing here is a power of two, and the heads are wider than d_model / heads.
    'odd': dict(
        vocab_size=131,
        hidden_size=60,
        intermediate_size=92,
        num_attention_heads=6,
        num_key_value_heads=3,
        head_dim=14,
        tie_word_embeddings=False,
        rope_parameters={'rope_type': 'default', 'rope_theta': 500_000.0},
        rms_norm_eps=1e-5,
    ),
}


def write_tiny(folder: pathlib.Path, tokenizer) -> pathlib.Path:
    """A Hugging Face folder: a random 3-layer Llama with the tokenizer's vocabulary.

    Its 4 query heads, 2 kv heads, 64 channels and 49,152 tokens divide over every mesh of tests.
    """
    torch.manual_seed(0)
    config = LlamaConfig(**{**VALUES, **SHAPES['tied_gqa'], 'vocab_size': len(tokenizer)})
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make(shape: str, **changes) -> LlamaForCausalLM:
    """A random model of one of SHAPES; the norms' weights are not all one."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**{**VALUES, **SHAPES[shape], **changes})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'norm' in name:
                parameter.uniform_(0.5, 1.5)
    return model


def save(folder: pathlib.Path, shape: str, **changes) -> pathlib.Path:
    """Writes `make(shape)` as a Hugging Face folder."""
    make(shape, **changes).save_pretrained(folder)
    return folder


def read(folder: pathlib.Path) -> LlamaForCausalLM:
    """The model of a folder, float32."""
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logits(model: LlamaForCausalLM, ids) -> np.ndarray:
    """float32 [T, V] of one sequence of ids."""
    with torch.no_grad():
        return model(torch.tensor([list(map(int, ids))])).logits[0].numpy()
