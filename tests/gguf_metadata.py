"""Metadata of a torch model, as llama.cpp's convert_hf_to_gguf.py writes it (see `gguf_files`)."""

import types

import gguf

BARE = ('bloom', 'gpt2', 'falcon')  # feed-forward parts four times as wide
VOCAB_AND_ROPE = ('llama', 'smollm3', 'granite', 'cohere2', 'mistral3', 'apertus')
NO_HEAD_DIM = ('phi3', 'gptneox', 'chatglm')


def config_of(model):
    """The config; of Gemma 4 its fields alone, as transformers guards those that layers change."""
    c = model.config
    return types.SimpleNamespace(**c.to_dict()) if c.model_type == 'gemma4_text' else c


def heads_of(c):
    heads = c.num_attention_heads
    if c.model_type == 'falcon':
        return heads, 1 if c.multi_query and not c.new_decoder_architecture else c.num_kv_heads
    kv = heads if c.model_type in ('bloom', 'gpt2', 'gpt_neox') else c.num_key_value_heads
    return heads, kv


def whole_of(c):
    """What Gemma 4's whole layers have of their own."""
    return next(iter(c.per_layer_config.values()))


def add(writer, model, architecture):
    """Adds the keys of a model, except those of its tokens."""
    c = config_of(model)
    heads, kv = heads_of(c)
    norm = {'nemotron': 'norm_eps', **dict.fromkeys(BARE, 'layer_norm_epsilon')}
    norm |= dict.fromkeys(('cohere', 'cohere2', 'stablelm', 'gpt_neox'), 'layer_norm_eps')
    if c.model_type in norm:
        writer.add_layer_norm_eps(getattr(c, norm[c.model_type]))
    else:
        writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    bare = c.model_type in BARE
    length = {'bloom': lambda: c.hidden_size, 'gpt2': lambda: c.n_positions}
    length |= {'falcon': lambda: 2048, 'glm': lambda: c.hidden_size}
    writer.add_context_length(length.get(c.model_type, lambda: c.max_position_embeddings)())
    writer.add_embedding_length(c.hidden_size)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_feed_forward_length(4 * c.hidden_size if bare else c.intermediate_size)
    writer.add_head_count(heads)
    if architecture not in ('gpt2', 'gptneox'):
        writer.add_head_count_kv(kv)
    if architecture in VOCAB_AND_ROPE or architecture == 'exaone4':
        writer.add_vocab_size(c.vocab_size)
    head_dim = getattr(c, 'head_dim', None) or c.hidden_size // heads
    if not bare and architecture not in NO_HEAD_DIM and getattr(c, 'head_dim', None):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    parameters = getattr(c, 'rope_parameters', None) or {}
    rope = parameters.get('full_attention', parameters)
    if architecture in VOCAB_AND_ROPE:
        writer.add_rope_dimension_count(head_dim)
    if rope and architecture not in ('gemma', 'gemma2', 'gptneox', 'falcon'):
        writer.add_rope_freq_base(rope['rope_theta'])
    _add_scaling(writer, rope)
    if 'sliding_attention' in parameters:
        writer.add_rope_freq_base_swa(parameters['sliding_attention']['rope_theta'])
    if architecture in ('command-r', 'cohere2'):
        writer.add_logit_scale(c.logit_scale)
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    if architecture in ('gemma2', 'gemma3', 'cohere2', 'gemma4', 'gpt-oss'):
        writer.add_sliding_window(c.sliding_window)
    if architecture in ('exaone4', 'olmo2') and getattr(c, 'sliding_window', None) is not None:
        writer.add_sliding_window(c.sliding_window)
        writer.add_sliding_window_pattern(local_layers(c))
    if architecture == 'gemma2':
        writer.add_attn_logit_softcapping(c.attn_logit_softcapping)
        writer.add_final_logit_softcapping(c.final_logit_softcapping)
    if architecture in ('gemma3', 'gemma4') and c.final_logit_softcapping:
        writer.add_final_logit_softcapping(c.final_logit_softcapping)
    if architecture == 'gemma4':
        _add_gemma4(writer, c)
    if architecture == 'qwen3moe':
        writer.add_expert_feed_forward_length(c.moe_intermediate_size)
    if architecture == 'gpt-oss':
        writer.add_expert_feed_forward_length(c.intermediate_size)
    if getattr(c, 'num_experts_per_tok', None):
        writer.add_expert_count(c.num_local_experts)
        writer.add_expert_used_count(c.num_experts_per_tok)
    if architecture == 'granite':
        writer.add_attention_scale(c.attention_multiplier)
        writer.add_embedding_scale(c.embedding_multiplier)
        writer.add_residual_scale(c.residual_multiplier)
        writer.add_logit_scale(c.logits_scaling)
    if architecture in ('stablelm', 'nemotron', 'glm4', 'chatglm', 'gptneox'):
        writer.add_rope_dimension_count(int(rope['partial_rotary_factor'] * head_dim))
    if architecture in ('stablelm', 'gptneox'):
        writer.add_parallel_residual(c.use_parallel_residual)
    if architecture == 'falcon':
        writer.add_tensor_data_layout('jploski')
    if c.model_type == 'ministral3':
        writer.add_rope_scaling_yarn_log_mul(rope['mscale_all_dim'])
        writer.add_attn_temperature_scale(rope['llama_4_scaling_beta'])
    if architecture == 'hunyuan-dense' and rope['rope_type'] == 'dynamic':
        _add_alpha(writer, rope, head_dim)
    if architecture == 'apertus':
        for name, add in (
            ('alpha_n', writer.add_xielu_alpha_n),
            ('alpha_p', writer.add_xielu_alpha_p),
            ('beta', writer.add_xielu_beta),
            ('eps', writer.add_xielu_eps),
        ):
            tensors = model.state_dict()
            ending = f'.act_fn.{name}'
            add([value.float().item() for key, value in tensors.items() if key.endswith(ending)])
    if architecture == 'phi3':
        part = rope.get('partial_rotary_factor', 1.0)
        writer.add_rope_dimension_count(int(part * c.hidden_size) // heads)
        writer.add_rope_scaling_orig_ctx_len(c.original_max_position_embeddings)
        writer.add_sliding_window(c.sliding_window or 0)


def local_layers(c):
    return [kind == 'sliding_attention' for kind in c.layer_types]


def _add_scaling(writer, rope):
    if rope.get('rope_type') == 'linear':
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope['factor'])
    if rope.get('rope_type') == 'yarn':
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope['factor'])
        writer.add_rope_scaling_orig_ctx_len(rope['original_max_position_embeddings'])
        for name, add in (
            ('attention_factor', writer.add_rope_scaling_yarn_attn_factor),
            ('beta_fast', writer.add_rope_scaling_yarn_beta_fast),
            ('beta_slow', writer.add_rope_scaling_yarn_beta_slow),
        ):
            if rope.get(name) is not None:
                add(rope[name])


def _add_alpha(writer, rope, head_dim):
    """Hunyuan's base, and the length that the converter gives all its models."""
    base = rope['rope_theta'] * rope['alpha'] ** (head_dim / (head_dim - 2))
    for key, value in {'rope.freq_base': base, 'context_length': 256 * 1024}.items():
        writer.kv_data[0].pop(f'hunyuan-dense.{key}')
        writer.add_key_value(
            f'hunyuan-dense.{key}',
            value,
            gguf.GGUFValueType.FLOAT32 if key == 'rope.freq_base' else gguf.GGUFValueType.UINT32,
        )
    writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    writer.add_rope_scaling_factor(1)
    writer.add_rope_scaling_orig_ctx_len(256 * 1024)


def _add_gemma4(writer, c):
    whole = whole_of(c)
    local, shared = local_layers(c), c.num_kv_shared_layers
    writer.add_shared_kv_layers(shared)
    writer.add_embedding_length_per_layer_input(c.hidden_size_per_layer_input or 0)
    writer.add_sliding_window_pattern(local)
    for key in ('key_length', 'value_length'):
        writer.kv_data[0].pop(f'gemma4.attention.{key}')
    writer.add_key_length(whole['head_dim'])
    writer.add_value_length(whole['head_dim'])
    writer.add_key_length_swa(c.head_dim)
    writer.add_value_length_swa(c.head_dim)
    if c.use_double_wide_mlp:
        own = c.num_hidden_layers - shared
        widths = [c.intermediate_size] * own + [2 * c.intermediate_size] * shared
        writer.kv_data[0].pop('gemma4.feed_forward_length')
        writer.add_feed_forward_length(widths)
    if 'num_key_value_heads' in whole:
        heads = {True: c.num_key_value_heads, False: whole['num_key_value_heads']}
        writer.kv_data[0].pop('gemma4.attention.head_count_kv')
        writer.add_head_count_kv([heads[each] for each in local])
    writer.add_rope_dimension_count(whole['head_dim'])
    writer.add_rope_dimension_count_swa(c.head_dim)
