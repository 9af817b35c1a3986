"""What a decoder is made of: one field for each constant of its architecture (see `hf_config`)."""

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
        (low frequencies divided, Llama 3.1's); 'yarn' (Peng et al. 2023); 'longrope' (Ding et al.
        2024); 'proportional' (the last frequencies are zero, Gemma 4).
      factor, original_positions: of those.
      low_freq_factor, high_freq_factor: of 'llama3'.
      beta_fast, beta_slow: of 'yarn', in rotations over `original_positions`.
      truncate: whether yarn's bounds are rounded to whole channels.
      attention_factor: sines and cosines are multiplied by it ('yarn', 'longrope').
      short_factors, long_factors: of 'longrope', a divisor for each frequency, in texts within
        `original_positions` and in longer ones.
      share: of 'proportional', the part of the frequencies that is not zero.
    """

    theta: float = 10_000.0
    kind: str = 'default'
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_positions: int = 0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True
    attention_factor: float = 1.0
    short_factors: tuple[float, ...] = ()
    long_factors: tuple[float, ...] = ()
    share: float = 1.0


@dataclass(frozen=True)
class DecoderConfig:
    """Shapes and constants of a decoder.

    Attributes:
      family: model_type of its config.json, a key of `families.FAMILIES`.
      positions: 'rope', 'alibi' (Press et al. 2022), 'learned' (a table) or 'sinusoidal' (XGLM's).
      position_offset: rows of a learned table before that of position 0 (OPT's 2).
      rotary_dim: channels of a head that rotate; 0: all.
      window: tokens that a local layer sees back, itself included; 0: no layer has a window.
      local_layers: which layers are local: they have the window and `local_rope`; () with a
        window: all of them.
      local_rope: rotary positions of local layers, where they have their own.
      norm: 'rms' (Zhang and Sennrich 2019), 'rms_one' (scaled by 1 + w, Gemma), 'layer' (Ba et al.
        2016) or 'layer_one' (scaled by 1 + w, Nemotron).
      qk_norm: '' none, 'head' (one scale for all heads), 'heads' (one scale for each head) or
        'joint' (one norm over the channels of all heads, OLMo 2).
      qk_norm_after: whether queries and keys are normed after their rotation (Hunyuan).
      activation: a key of `layers.ACTIVATIONS`, 'xielu' (Huang and Schlag 2024) or 'clamped'
        (gpt-oss).
      gated: act(gate(x)) * up(x) (Shazeer 2020) or act(up(x)).
      parallel: attention and feed-forward part read the same states and are added at once.
      two_norms: each of the parallel parts has a norm of its own (GPT-NeoX).
      pre_norms: whether the inputs of the two parts are normed.
      post_norms: their outputs are normed too.
      sinks: each head has a logit that takes part in the softmax and has no value (gpt-oss).
      normed_head: the head's vectors have unit length (Baichuan 2).
      query_scalar: scores are divided by its square root; 0: by that of head_dim.
      score_multiplier: scores are multiplied by it instead; 0: see query_scalar.
      query_beta: queries are multiplied by 1 + query_beta * log(1 + floor(position / the rope's
        original_positions)) (Ministral 3, after Llama 4); 0: they are not.
      residual_scale: what a part adds to the residual stream is multiplied by it (Granite).
      attn_softcap, logit_softcap: c tanh(x / c); 0: none.
      experts: feed-forward parts of a mixture (Shazeer et al. 2017); 0: one part, for all tokens.
      experts_per_token: how many of them, those of the largest router logits, a token goes to.
      norm_top: whether the weights of a token's experts sum to one.
      router_bias, expert_bias: whether the router and the experts' maps have biases.
      balance: weight of the auxiliary load-balancing loss in training.
      local_head_dim: channels of a head of local layers, where fewer than `head_dim` (Gemma 4);
        0: as many. All layers' parameters have the larger size, and are zero beyond their own.
      whole_kv_heads: kv heads of whole layers, where fewer than `num_kv_heads`; 0: as many.
      shared_layers: so many last layers have no keys and values of their own: they take those of
        the last layer before them that is local as they are, or whole.
      unshared_d_ff: width of the feed-forward part of the other layers, where it is smaller than
        `d_ff`; 0: as wide.
      norm_values: whether values are normed, without a scale.
      keys_as_values: whether whole layers have no map of values: they are the keys, before norm and
        rotation.
      layer_inputs: channels of what each layer is given of a token beside its hidden state, from a
        table of `layer_vocab` rows and from the embedding (Gemma 4); 0: nothing.
      layer_vocab: rows of that table.
      layer_scale: whether each layer's output is multiplied by a constant of the file.
      extra: the config.json that it was read from, as JSON, for the fields that nothing here needs;
        not compared.
      within: whether that was the text part of a model of text and images; not compared.
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
    position_offset: int = 0
    rope: Rope = Rope()
    rotary_dim: int = 0
    window: int = 0
    local_layers: tuple[bool, ...] = ()
    local_rope: Rope | None = None
    norm: str = 'rms'
    norm_bias: bool = False
    embed_norm: bool = False
    qk_norm: str = ''
    qk_norm_after: bool = False
    activation: str = 'silu'
    gated: bool = True
    parallel: bool = False
    two_norms: bool = False
    pre_norms: bool = True
    post_norms: bool = False
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    sinks: bool = False
    normed_head: bool = False
    query_scalar: float = 0.0
    score_multiplier: float = 0.0
    query_beta: float = 0.0
    residual_scale: float = 1.0
    attn_softcap: float = 0.0
    logit_softcap: float = 0.0
    logit_scale: float = 1.0
    embed_scale: float = 1.0
    experts: int = 0
    experts_per_token: int = 0
    norm_top: bool = True
    router_bias: bool = False
    expert_bias: bool = False
    balance: float = 0.0
    local_head_dim: int = 0
    whole_kv_heads: int = 0
    shared_layers: int = 0
    unshared_d_ff: int = 0
    norm_values: bool = False
    keys_as_values: bool = False
    layer_inputs: int = 0
    layer_vocab: int = 0
    layer_scale: bool = False
    bos_id: int | None = None
    eos_id: int | None = None
    pad_id: int | None = None
    extra: str = dataclasses.field(default='', compare=False, repr=False)
    within: bool = dataclasses.field(default=False, compare=False, repr=False)

    def replace(self, **changes: Any) -> 'DecoderConfig':
        """A copy with other values."""
        return dataclasses.replace(self, **changes)

    @property
    def local(self) -> tuple[bool, ...]:
        """For each layer, whether it is local: has the window and `local_rope`."""
        return self.local_layers or (bool(self.window),) * self.num_layers

    @property
    def shares(self) -> tuple[bool, ...]:
        """For each layer, whether it takes its keys and values from an earlier one."""
        own = self.num_layers - self.shared_layers
        return (False,) * own + (True,) * self.shared_layers

    @property
    def uneven(self) -> bool:
        """Whether attention of the layers differs in more than the view."""
        return bool(
            self.local_head_dim or self.whole_kv_heads or self.shared_layers or self.keys_as_values
        )

    @property
    def mlp_norm(self) -> bool:
        """Whether the feed-forward part has a norm of its own before it."""
        return self.pre_norms and (not self.parallel or self.two_norms)

    @property
    def score_scale(self) -> float:
        """What products of queries and keys are multiplied by."""
        return self.score_multiplier or float(self.query_scalar or self.head_dim) ** -0.5

    @property
    def adaptable(self) -> tuple[str, ...]:
        """The linear maps that can have low-rank adapters: of a mixture those of attention."""
        maps = ('q', 'k', 'v', 'o')
        if self.experts:
            return maps
        return maps + (('gate', 'up', 'down') if self.gated else ('up', 'down'))
