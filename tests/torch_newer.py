"""More cases of `torch_families`: the families that came after the first fifteen."""

from tests.torch_cases import EVEN, LLAMA3, OLD, WINDOWS, case

TYPES = ['sliding_attention', 'full_attention']
NO_HEAD = ('head_dim',)
HEADS_7 = dict(num_attention_heads=3, num_key_value_heads=1, hidden_size=42)
ODD = (
    EVEN
    | HEADS_7
    | dict(
        vocab_size=131,
        intermediate_size=50,
        num_hidden_layers=2,
        head_dim=14,
    )
)
SMALL = EVEN | dict(num_hidden_layers=2)
YARN = dict(rope_type='yarn', rope_theta=1e4, factor=4.0, original_max_position_embeddings=16)
LONG = dict(rope_type='longrope', rope_theta=1e4, original_max_position_embeddings=16)
EXPERTS = dict(num_experts_per_tok=2, num_hidden_layers=2)

NEWER = {
    'llama_yarn': case('Llama', SMALL, rope_parameters=YARN | dict(factor=3.0)),
    'qwen2_yarn_odd': case(
        'Qwen2',
        ODD,
        without=NO_HEAD,
        rope_parameters=YARN | dict(truncate=False, beta_fast=16.0, beta_slow=2.0),
    ),
    'phi3_longrope': case(
        'Phi3',
        SMALL,
        rope_parameters=LONG
        | dict(short_factor=[1.0, 1.1, 1.3, 1.5], long_factor=[1.0, 2.0, 3.0, 4.5]),
        original_max_position_embeddings=16,
    ),
    'phi3_longrope_odd_partial': case(
        'Phi3',
        ODD,
        without=NO_HEAD,
        rope_parameters=LONG
        | dict(
            short_factor=[1.0, 1.2, 1.3, 1.5],
            long_factor=[1.0, 2.0, 3.0, 4.5],
            partial_rotary_factor=4 / 7,
        ),
        original_max_position_embeddings=16,
    ),
    'ministral': case('Ministral', SMALL, head_dim=8, layer_types=TYPES, **WINDOWS),
    'ministral_odd': case('Ministral', ODD, sliding_window=5),
    'ministral3': case(
        'Ministral3',
        SMALL,
        head_dim=8,
        rope_parameters=YARN | dict(mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3),
    ),
    'ministral3_odd': case(
        'Ministral3', ODD, rope_parameters=YARN | dict(llama_4_scaling_beta=0.1)
    ),
    'smollm3': case('SmolLM3', EVEN, no_rope_layers=[1, 0, 1], tie_word_embeddings=True),
    'smollm3_odd': case(
        'SmolLM3',
        ODD,
        without=NO_HEAD,
        no_rope_layer_interval=2,
        use_sliding_window=True,
        tie_word_embeddings=False,
        attention_bias=True,
        **WINDOWS,
    ),
    'olmo2': case('Olmo2', SMALL),
    'olmo2_odd': case('Olmo2', ODD, without=NO_HEAD, num_key_value_heads=3),
    'olmo3': case('Olmo3', SMALL, layer_types=TYPES, rope_scaling=YARN, **WINDOWS),
    'olmo3_odd': case('Olmo3', ODD, without=NO_HEAD, attention_bias=True, **WINDOWS),
    'granite': case(
        'Granite',
        SMALL,
        embedding_multiplier=12.0,
        residual_multiplier=0.22,
        attention_multiplier=0.0625,
        logits_scaling=8.0,
        tie_word_embeddings=True,
    ),
    'granite_odd': case(
        'Granite',
        ODD,
        without=NO_HEAD,
        residual_multiplier=0.5,
        attention_multiplier=0.3,
        logits_scaling=6.0,
        attention_bias=True,
        mlp_bias=True,
    ),
    'apertus': case('Apertus', SMALL, rope_parameters=LLAMA3),
    'apertus_odd': case('Apertus', ODD, without=NO_HEAD, attention_bias=True),
    'glm': case('Glm', SMALL, head_dim=8),
    'glm_odd': case('Glm', ODD, head_dim=12, attention_bias=False, tie_word_embeddings=True),
    'glm4': case('Glm4', SMALL, head_dim=8, rope_parameters=dict(rope_theta=1e4)),
    'glm4_odd': case('Glm4', ODD, head_dim=12, attention_bias=False),
    'exaone4': case('Exaone4', SMALL, layer_types=TYPES, tie_word_embeddings=True, **WINDOWS),
    'exaone4_odd': case('Exaone4', ODD, sliding_window=None, layer_types=['full_attention'] * 2),
    'seed_oss': case('SeedOss', SMALL, head_dim=8),
    'seed_oss_odd': case(
        'SeedOss', ODD, attention_bias=False, attention_out_bias=True, mlp_bias=True
    ),
    'hunyuan': case(
        'HunYuanDenseV1',
        SMALL,
        head_dim=16,
        rope_parameters=dict(rope_type='dynamic', rope_theta=1e4, alpha=1000.0, factor=1.0),
        tie_word_embeddings=True,
    ),
    'hunyuan_odd': case('HunYuanDenseV1', ODD, attention_bias=True),
    'stablelm': case('StableLm', SMALL, use_qkv_bias=True),
    'stablelm_odd': case(
        'StableLm',
        ODD,
        without=NO_HEAD,
        use_parallel_residual=True,
        rope_parameters=dict(rope_type='default', rope_theta=1e4, partial_rotary_factor=4 / 7),
    ),
    'nemotron': case('Nemotron', SMALL, head_dim=8),
    'nemotron_odd': case(
        'Nemotron', ODD, head_dim=12, attention_bias=True, mlp_bias=True, num_key_value_heads=3
    ),
    'gpt_neox': case('GPTNeoX', SMALL, without=OLD[:1]),
    'gpt_neox_odd_serial': case(
        'GPTNeoX',
        ODD,
        without=('num_key_value_heads', 'head_dim'),
        use_parallel_residual=False,
        attention_bias=False,
        rope_parameters=dict(rope_type='default', rope_theta=1e4, partial_rotary_factor=1.0),
    ),
    'opt': case('OPT', SMALL, without=OLD[:2], ffn_dim=48),
    'opt_odd': case(
        'OPT',
        ODD,
        without=(*OLD[:2], 'head_dim'),
        ffn_dim=50,
        tie_word_embeddings=False,
        activation_function='gelu',
    ),
    'falcon_odd_7b': case(
        'Falcon', EVEN, without=OLD[:2], num_hidden_layers=2, tie_word_embeddings=True
    ),
    'falcon_40b': case(
        'Falcon',
        SMALL,
        without=OLD[:2],
        new_decoder_architecture=True,
        num_kv_heads=2,
        bias=True,
        ffn_hidden_size=48,
    ),
    'falcon_odd_one_norm': case(
        'Falcon',
        SMALL,
        without=OLD[:2],
        new_decoder_architecture=True,
        num_kv_heads=2,
        num_ln_in_parallel_attn=1,
        tie_word_embeddings=False,
    ),
    'falcon_serial': case(
        'Falcon', SMALL, without=OLD[:2], multi_query=False, parallel_attn=False, bias=True
    ),
    'mixtral': case('Mixtral', EVEN | EXPERTS, num_local_experts=4, **WINDOWS),
    'mixtral_odd': case('Mixtral', ODD, num_local_experts=5, num_experts_per_tok=3),
    'qwen3_moe': case(
        'Qwen3Moe',
        EVEN | EXPERTS,
        head_dim=16,
        num_experts=4,
        moe_intermediate_size=24,
        norm_topk_prob=True,
    ),
    'qwen3_moe_odd': case(
        'Qwen3Moe',
        ODD,
        num_experts=6,
        num_experts_per_tok=3,
        moe_intermediate_size=15,
        attention_bias=True,
    ),
    'gpt_oss': case(
        'GptOss',
        EVEN | EXPERTS,
        head_dim=8,
        num_local_experts=4,
        rope_parameters=YARN | dict(truncate=False),
        **WINDOWS,
    ),
    'gpt_oss_odd': case(
        'GptOss', ODD, num_local_experts=3, num_experts_per_tok=2, sliding_window=5
    ),
    'gemma4': case(  # as E2B: inputs of each layer, keys and values of the last layers shared
        'Gemma4',
        EVEN,
        num_hidden_layers=6,
        head_dim=8,
        global_head_dim=16,
        layer_types=['sliding_attention', 'full_attention'] * 3,
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=128,
        num_kv_shared_layers=2,
        use_double_wide_mlp=True,
        final_logit_softcapping=30.0,
        **WINDOWS,
    ),
    'gemma4_odd': case(  # as 31B: fewer kv heads in whole layers, whose values are their keys
        'Gemma4',
        EVEN,
        vocab_size=130,
        hidden_size=42,
        intermediate_size=50,
        num_attention_heads=6,
        num_key_value_heads=6,
        head_dim=6,
        global_head_dim=14,
        num_global_key_value_heads=2,
        attention_k_eq_v=True,
        hidden_size_per_layer_input=0,
        tie_word_embeddings=False,
        layer_types=['sliding_attention', 'full_attention', 'full_attention'],
        sliding_window=5,
    ),
}
