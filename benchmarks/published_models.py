"""Published models that users of many languages use, by the fields of their config.json.

The fields are from memory (their hubs cannot be reached from where this is written), shortened to
what a decoder's shape needs; `verdict` reads them as `model.source` does. Of models of text and
images the fields of the text part are under `text_config`.
"""

import pathlib
from typing import Any

from xlbarrier.errors import InputError
from xlbarrier.models import hf_config, quantised

Raw = dict[str, Any]


def _sizes(
    model_type: str,
    vocab: int,
    d_model: int,
    layers: int,
    heads: int,
    kv_heads: int,
    d_ff: int,
    positions: int,
    **more: Any,
) -> Raw:
    return {
        'model_type': model_type,
        'vocab_size': vocab,
        'hidden_size': d_model,
        'num_hidden_layers': layers,
        'num_attention_heads': heads,
        'num_key_value_heads': kv_heads,
        'intermediate_size': d_ff,
        'max_position_embeddings': positions,
        **more,
    }


def _within(outer: str, text: Raw) -> Raw:
    return {'model_type': outer, 'text_config': text, 'vision_config': {}}


def _llama3(factor: float) -> Raw:
    return {
        'rope_theta': 500_000.0,
        'rope_scaling': {
            'rope_type': 'llama3',
            'factor': factor,
            'low_freq_factor': 1.0,
            'high_freq_factor': 4.0,
            'original_max_position_embeddings': 8192,
        },
    }


def _longrope(pairs: int, **more: Any) -> Raw:
    factors = [1.0] * pairs  # of the published lists only the length matters here
    scaling = {'type': 'longrope', 'short_factor': factors, 'long_factor': factors}
    return {'rope_scaling': scaling, 'original_max_position_embeddings': 4096, **more}


YARN_OLMO = {
    'rope_type': 'yarn',
    'factor': 8.0,
    'beta_fast': 32,
    'beta_slow': 1,
    'original_max_position_embeddings': 8192,
    'attention_factor': 1.2079441541679836,
}
MROPE = {'type': 'mrope', 'mrope_section': [16, 24, 24]}
MXFP4 = {'quantization_config': {'quant_method': 'mxfp4'}}

PUBLISHED: dict[str, Raw] = {
    'meta-llama/Llama-2-7b-hf': _sizes('llama', 32000, 4096, 32, 32, 32, 11008, 4096),
    'meta-llama/Llama-3.1-8B': _sizes(
        'llama', 128256, 4096, 32, 32, 8, 14336, 131072, **_llama3(8.0)
    ),
    'meta-llama/Llama-3.2-1B': _sizes(
        'llama', 128256, 2048, 16, 32, 8, 8192, 131072, tie_word_embeddings=True, **_llama3(32.0)
    ),
    'meta-llama/Llama-4-Scout-17B-16E': _within(
        'llama4', _sizes('llama4_text', 202048, 5120, 48, 40, 8, 8192, 10485760)
    ),
    'mistralai/Mistral-7B-v0.3': _sizes(
        'mistral', 32768, 4096, 32, 32, 8, 14336, 32768, sliding_window=None, rope_theta=1e6
    ),
    'mistralai/Mistral-Nemo-Base-2407': _sizes(
        'mistral', 131072, 5120, 40, 32, 8, 14336, 1024000, head_dim=128, sliding_window=None
    ),
    'mistralai/Mistral-Small-3.1-24B-Base-2503': _within(
        'mistral3',
        _sizes(
            'mistral', 131072, 5120, 40, 32, 8, 32768, 131072, head_dim=128, sliding_window=None
        ),
    ),
    'mistralai/Ministral-8B-Instruct-2410': _sizes(
        'mistral', 131072, 4096, 36, 32, 8, 12288, 32768, head_dim=128, sliding_window=32768
    ),
    'mistralai/Ministral-3-8B-Base-2512': _within(
        'mistral3', _sizes('ministral3', 131072, 4096, 34, 32, 8, 14336, 262144, head_dim=128)
    ),
    'mistralai/Mixtral-8x7B-v0.1': _sizes(
        'mixtral', 32000, 4096, 32, 32, 8, 14336, 32768, num_local_experts=8, sliding_window=None
    ),
    'Qwen/Qwen2.5-7B': _sizes(
        'qwen2', 152064, 3584, 28, 28, 4, 18944, 131072, use_sliding_window=False
    ),
    'Qwen/Qwen2.5-VL-7B-Instruct': _sizes(
        'qwen2_5_vl', 152064, 3584, 28, 28, 4, 18944, 128000, rope_theta=1e6, rope_scaling=MROPE
    ),
    'Qwen/Qwen3-8B': _sizes('qwen3', 151936, 4096, 36, 32, 8, 12288, 40960, head_dim=128),
    'Qwen/Qwen3-30B-A3B': _sizes(
        'qwen3_moe',
        151936,
        2048,
        48,
        32,
        4,
        6144,
        40960,
        head_dim=128,
        num_experts=128,
        moe_intermediate_size=768,
        norm_topk_prob=True,
        mlp_only_layers=[],
    ),
    'Qwen/Qwen3-Next-80B-A3B-Instruct': _sizes('qwen3_next', 151936, 2048, 48, 16, 2, 5120, 262144),
    'deepseek-ai/DeepSeek-R1-Distill-Qwen-7B': _sizes(
        'qwen2', 152064, 3584, 28, 28, 4, 18944, 131072
    ),
    'deepseek-ai/DeepSeek-V3': _sizes('deepseek_v3', 129280, 7168, 61, 128, 128, 18432, 163840),
    'sail/Sailor2-8B': _sizes('qwen2', 151936, 3584, 36, 28, 4, 18944, 32768),
    'google/gemma-2-9b': _sizes('gemma2', 256000, 3584, 42, 16, 8, 14336, 8192, head_dim=256),
    'google/gemma-3-4b-it': _within(
        'gemma3', _sizes('gemma3_text', 262208, 2560, 34, 8, 4, 10240, 131072, head_dim=256)
    ),
    'google/gemma-3n-E4B-it': _within('gemma3n', {'model_type': 'gemma3n_text'}),
    'google/gemma-4-E4B-it': _within(
        'gemma4',
        _sizes(
            'gemma4_text',
            262144,
            2560,
            42,
            8,
            2,
            10240,
            131072,
            head_dim=256,
            global_head_dim=512,
            sliding_window=512,
            num_kv_shared_layers=18,
            hidden_size_per_layer_input=256,
        ),
    ),
    'google/gemma-4-31B-it': _within(
        'gemma4',
        _sizes(
            'gemma4_text',
            262144,
            5376,
            60,
            32,
            16,
            21504,
            262144,
            head_dim=256,
            global_head_dim=512,
            num_global_key_value_heads=4,
            attention_k_eq_v=True,
            sliding_window=1024,
            hidden_size_per_layer_input=0,
        ),
    ),
    'google/gemma-4-26B-A4B-it': _within(
        'gemma4', {'model_type': 'gemma4_text', 'enable_moe_block': True}
    ),
    'CohereLabs/aya-23-8B': _sizes('cohere', 256000, 4096, 32, 32, 8, 14336, 8192),
    'CohereLabs/aya-expanse-8b': _sizes('cohere', 256000, 4096, 32, 32, 8, 14336, 8192),
    'CohereLabs/c4ai-command-r7b-12-2024': _sizes(
        'cohere2', 256000, 4096, 32, 32, 8, 14336, 132096, sliding_window=4096
    ),
    'CohereLabs/aya-vision-8b': _within(
        'aya_vision', _sizes('cohere2', 256000, 4096, 32, 32, 8, 14336, 8192, sliding_window=4096)
    ),
    'CohereLabs/command-a-vision-07-2025': _within(
        'cohere2_vision',
        _sizes('cohere2', 256000, 12288, 64, 96, 8, 36864, 131072, sliding_window=4096),
    ),
    'bigscience/bloomz-7b1': {
        'model_type': 'bloom',
        'vocab_size': 250880,
        'hidden_size': 4096,
        'n_layer': 30,
        'num_attention_heads': 32,
    },
    'facebook/xglm-7.5B': {
        'model_type': 'xglm',
        'vocab_size': 256008,
        'd_model': 4096,
        'num_layers': 32,
        'attention_heads': 32,
        'ffn_dim': 16384,
        'max_position_embeddings': 2048,
    },
    'ai-forever/mGPT': {
        'model_type': 'gpt2',
        'vocab_size': 100000,
        'n_embd': 2048,
        'n_layer': 24,
        'n_head': 16,
        'n_positions': 2048,
    },
    'facebook/opt-6.7b': {
        'model_type': 'opt',
        'vocab_size': 50272,
        'hidden_size': 4096,
        'num_hidden_layers': 32,
        'num_attention_heads': 32,
        'ffn_dim': 16384,
        'word_embed_proj_dim': 4096,
    },
    'facebook/opt-350m': {
        'model_type': 'opt',
        'vocab_size': 50272,
        'hidden_size': 1024,
        'num_hidden_layers': 24,
        'num_attention_heads': 16,
        'ffn_dim': 4096,
        'word_embed_proj_dim': 512,
        'do_layer_norm_before': False,
    },
    'EleutherAI/pythia-6.9b': _sizes('gpt_neox', 50432, 4096, 32, 32, 32, 16384, 2048),
    'EleutherAI/polyglot-ko-5.8b': _sizes(
        'gpt_neox', 30080, 4096, 28, 16, 16, 16384, 2048, rotary_pct=0.25
    ),
    'tiiuae/falcon-7b': {
        'model_type': 'falcon',
        'vocab_size': 65024,
        'hidden_size': 4544,
        'num_hidden_layers': 32,
        'num_attention_heads': 71,
        'multi_query': True,
        'parallel_attn': True,
        'new_decoder_architecture': False,
    },
    'tiiuae/Falcon3-7B-Base': _sizes('llama', 131072, 3072, 28, 12, 4, 23040, 32768, head_dim=256),
    'tiiuae/Falcon-H1-7B-Base': {'model_type': 'falcon_h1'},
    'swiss-ai/Apertus-8B-2509': _sizes(
        'apertus', 131072, 4096, 32, 32, 8, 21504, 65536, hidden_act='xielu'
    ),
    'utter-project/EuroLLM-9B': _sizes('llama', 128000, 4096, 42, 32, 8, 12288, 4096),
    'BSC-LT/salamandra-7b': _sizes('llama', 256000, 4096, 32, 32, 8, 11008, 8192),
    'HuggingFaceTB/SmolLM3-3B': _sizes(
        'smollm3', 128256, 2048, 36, 16, 4, 11008, 65536, no_rope_layers=[1, 1, 1, 0] * 9
    ),
    'allenai/OLMo-2-1124-7B': _sizes('olmo2', 100352, 4096, 32, 32, 32, 11008, 4096),
    'allenai/Olmo-3-1025-7B': _sizes(
        'olmo3', 100278, 4096, 32, 32, 32, 11008, 65536, rope_scaling=YARN_OLMO
    ),
    'ibm-granite/granite-3.3-8b-base': _sizes(
        'granite',
        49152,
        4096,
        40,
        32,
        8,
        12800,
        131072,
        embedding_multiplier=12.0,
        residual_multiplier=0.22,
        attention_multiplier=0.0078125,
        logits_scaling=16.0,
    ),
    'zai-org/glm-4-9b-chat-hf': _sizes(
        'glm', 151552, 4096, 40, 32, 2, 13696, 131072, head_dim=128, partial_rotary_factor=0.5
    ),
    'zai-org/GLM-4-9B-0414': _sizes(
        'glm4', 151552, 4096, 40, 32, 2, 13696, 32768, head_dim=128, partial_rotary_factor=0.5
    ),
    'zai-org/chatglm3-6b': {'model_type': 'chatglm', 'auto_map': {}},
    'LGAI-EXAONE/EXAONE-4.0-32B': _sizes(
        'exaone4', 102400, 5120, 64, 40, 8, 27392, 131072, head_dim=128, sliding_window=4096
    ),
    'microsoft/Phi-3.5-mini-instruct': _sizes(
        'phi3', 32064, 3072, 32, 32, 32, 8192, 131072, **_longrope(48, sliding_window=262144)
    ),
    'microsoft/Phi-4-mini-instruct': _sizes(
        'phi3', 200064, 3072, 32, 24, 8, 8192, 131072, **_longrope(48, partial_rotary_factor=0.75)
    ),
    'stabilityai/stablelm-2-1_6b': _sizes(
        'stablelm', 100352, 2048, 24, 32, 32, 5632, 4096, use_qkv_bias=True
    ),
    'stabilityai/stablelm-2-12b': _sizes(
        'stablelm', 100352, 5120, 40, 32, 8, 13824, 4096, qk_layernorm=True
    ),
    'nvidia/Minitron-8B-Base': _sizes('nemotron', 256000, 4096, 32, 32, 8, 16384, 4096),
    'ByteDance-Seed/Seed-OSS-36B-Base': _sizes(
        'seed_oss', 155136, 5120, 64, 80, 8, 27648, 524288, head_dim=128
    ),
    'tencent/Hunyuan-7B-Instruct': _sizes(
        'hunyuan_v1_dense',
        128167,
        4096,
        32,
        32,
        8,
        14336,
        32768,
        head_dim=128,
        rope_scaling={'type': 'dynamic', 'alpha': 1000.0, 'factor': 1.0},
    ),
    'openai/gpt-oss-20b': _sizes(
        'gpt_oss', 201088, 2880, 24, 64, 8, 2880, 131072, num_local_experts=32, **MXFP4
    ),
    'unsloth/gpt-oss-20b-BF16': _sizes(
        'gpt_oss', 201088, 2880, 24, 64, 8, 2880, 131072, num_local_experts=32
    ),
    'baichuan-inc/Baichuan2-7B-Base': _sizes(
        'baichuan', 125696, 4096, 32, 32, 32, 11008, 4096, z_loss_weight=0
    ),
    'llava-hf/llava-1.5-7b-hf': _within(
        'llava', {'model_type': 'llama', 'vocab_size': 32064, 'max_position_embeddings': 4096}
    ),
    'LiquidAI/LFM2-1.2B': {'model_type': 'lfm2'},
    'ai21labs/AI21-Jamba-Mini-1.6': {'model_type': 'jamba'},
}


def verdict(raw: Raw) -> tuple[str, str]:
    """(model_type of the decoder, 'loads' or why it is refused)."""
    try:
        if quantised.method_of(raw, pathlib.Path('config.json')):
            raw = {name: value for name, value in raw.items() if name not in quantised.FIELDS}
        return hf_config.from_hf(raw).family, 'loads'
    except InputError as error:
        return str(raw['model_type']), f'refused: {error}'


def table() -> str:
    """The Markdown table of all of them."""
    lines = ['| model | `model_type` | |', '|---|---|---|']
    for name, raw in PUBLISHED.items():
        family, answer = verdict(raw)
        outer = str(raw['model_type'])
        kind = f'`{outer}`' if outer == family else f'`{outer}`, its text as `{family}`'
        lines.append(f'| {name} | {kind} | {answer} |')
    return '\n'.join(lines) + '\n'
