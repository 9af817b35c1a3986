"""What a decoder is made of: one field a constant of its architecture (see `hf_config`)."""

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rope:
    """Rotary positions (Su et al. 2021) and how they are stretched to longer texts.

    Attributes:
      theta: base of the frequencies; 0 leaves a layer without positions (Cohere 2's whole layers).
      kind: 'default'; 'linear' (divided by `factor`, Chen et al. 2023); 'dynamic' (the base grows
        with a text longer than `original_positions`: NTK scaling as transformers has it); 'llama3'
        (low frequencies divided, Llama 3.1's; factors in the three fields below).
      factor, low_freq_factor, high_freq_factor, original_positions: of those.
    """

    theta: float = 10_000.0
    kind: str = 'default'
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_positions: int = 0


@dataclass(frozen=True)
class DecoderConfig:
    """Shapes and constants of a decoder.

    Attributes:
      family: model_type of its config.json, a key of `families.FAMILIES`.
      positions: 'rope', 'alibi' (Press et al. 2022), 'learned' (a table) or 'sinusoidal' (XGLM's).
      rotary_dim: channels of a head that rotate; 0: all.
      window: tokens that a local layer sees back, itself included; 0: no layer is local.
      local_layers: which layers are; () with a window: all of them.
      local_rope: rotary positions of local layers, where they have their own.
      norm: 'rms' (Zhang and Sennrich 2019), 'rms_one' (scaled by 1 + w, Gemma) or 'layer'.
      qk_norm: '' none, 'head' (one scale for all heads) or 'heads' (one for each).
      gated: act(gate(x)) * up(x) (Shazeer 2020) or act(up(x)).
      parallel: attention and feed-forward part read the same norm and are added at once.
      post_norms: their outputs are normed too.
      normed_head: the head's vectors have unit length (Baichuan 2).
      query_scalar: scores are divided by its square root; 0: by that of head_dim.
      attn_softcap, logit_softcap: c tanh(x / c); 0: none.
      extra: the config.json that it was read from, as JSON, for the fields that nothing here needs;
        not compared.
    """

    family: str
    vocab_size: int
    num_layers: int
    d_model: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    d_ff: int
    norm_eps: float
    tied: bool
    max_positions: int
    positions: str = 'rope'
    rope: Rope = Rope()
    rotary_dim: int = 0
    window: int = 0
    local_layers: tuple[bool, ...] = ()
    local_rope: Rope | None = None
    norm: str = 'rms'
    norm_bias: bool = False
    embed_norm: bool = False
    qk_norm: str = ''
    activation: str = 'silu'  # or 'gelu', 'gelu_tanh'
    gated: bool = True
    parallel: bool = False
    post_norms: bool = False
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    normed_head: bool = False
    query_scalar: float = 0.0
    attn_softcap: float = 0.0
    logit_softcap: float = 0.0
    logit_scale: float = 1.0
    embed_scale: float = 1.0
    bos_id: int | None = None
    eos_id: int | None = None
    pad_id: int | None = None
    extra: str = dataclasses.field(default='', compare=False, repr=False)

    def replace(self, **changes: Any) -> 'DecoderConfig':
        """A copy with other values."""
        return dataclasses.replace(self, **changes)

    @property
    def local(self) -> tuple[bool, ...]:
        """For each layer, whether it sees only a window."""
        if not self.window:
            return (False,) * self.num_layers
        return self.local_layers or (True,) * self.num_layers
