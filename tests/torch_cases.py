"""What a case of `torch_families` is, and the sizes that most of them share."""

from dataclasses import dataclass, field

# Heads, kv heads, ffn and vocabulary divide over the tests' meshes in 'even', nothing is a power
# of two in 'odd'; each family adds what is its own.
EVEN = dict(
    vocab_size=128,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    initializer_range=0.2,
)
ODD = EVEN | dict(
    vocab_size=131,
    hidden_size=42,
    intermediate_size=50,
    num_hidden_layers=2,
    num_attention_heads=3,
    num_key_value_heads=1,
    head_dim=14,
)
LLAMA3 = dict(
    rope_type='llama3',
    rope_theta=500_000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
)


@dataclass(frozen=True)
class Case:
    """One shape of one family: the class's stem and the fields of its config."""

    stem: str
    fields: dict = field(default_factory=dict)
    model: str = 'ForCausalLM'


def case(stem, base, model='ForCausalLM', without=(), **changes):
    """The case of these fields, without some."""
    fields = {k: v for k, v in (base | changes).items() if k not in without}
    return Case(stem, fields, model)


OLD = ('num_key_value_heads', 'intermediate_size', 'max_position_embeddings', 'head_dim')
WINDOWS = dict(sliding_window=7)
