"""Which fields of the config to change when a step does not fit, or to make it faster."""

from xlbarrier.aot.chips import GIB
from xlbarrier.aot.compiled import Cost
from xlbarrier.config import RunConfig
from xlbarrier.models import kernels
from xlbarrier.models.config import DecoderConfig

CROWDED = 0.9  # of the HBM: above this share, advice on memory is given although the step fits
ROOMY = 0.5  # of the HBM: what parameters and optimizer should take at most


def advice(cost: Cost, config: RunConfig, model: DecoderConfig, mesh: dict[str, int]) -> list[str]:
    """Sentences that name a field and a value, the most useful first."""
    memory = cost.memory
    full = memory.needed is None or memory.needed > CROWDED * cost.chip.hbm_bytes
    room = _room(cost, config, model, mesh) if full or not cost.fits else []
    speed = _speed(cost, config, model, mesh) if cost.fits else []
    return [f'for room, {line}' for line in room] + [f'for speed, {line}' for line in speed]


def _room(cost: Cost, config: RunConfig, model: DecoderConfig, mesh: dict[str, int]) -> list[str]:
    state = cost.memory.parameters + cost.memory.optimizer
    weights = _weights(cost, config, mesh)
    activations = _train_rows(config, model, mesh)
    if cost.step.name == 'score':
        activations = _score_rows(config, model, mesh)
    activations += _split(config, model, mesh, cost.step.name)
    return weights + activations if state > ROOMY * cost.chip.hbm_bytes else activations + weights


def _weights(cost: Cost, config: RunConfig, mesh: dict[str, int]) -> list[str]:
    trains = cost.step.name == 'train'
    state = cost.memory.parameters + cost.memory.optimizer
    what = 'parameters and optimizer' if trains else 'parameters'
    lines = []
    if mesh['data'] > 1:
        lines.append(
            f'config.mesh.fsdp={mesh["data"] * mesh["fsdp"]}, config.mesh.data=1:'
            f' {what} {_gib(state)} -> about {_gib(state / mesh["data"])}'
        )
    if trains and config.train.method == 'full':
        lines.append(
            f'config.train.method=lora: the optimizer ({_gib(cost.memory.optimizer)}) is'
            ' for the adapters only'
        )
    if config.model.param_dtype == 'float32':
        lines.append(
            f'config.model.param_dtype=bfloat16: {what} {_gib(state)} -> {_gib(state / 2)}'
            + ('; small updates are then lost to rounding' if trains else '')
        )
    factor = 2
    while state / factor > ROOMY * cost.chip.hbm_bytes:
        factor *= 2
    lines.append(
        f'{factor} times the chips, all of them along config.mesh.fsdp: {what} {_gib(state)} ->'
        f' about {_gib(state / factor)}'
    )
    return lines


def _train_rows(config: RunConfig, model: DecoderConfig, mesh: dict[str, int]) -> list[str]:
    train, shards = config.train, mesh['data'] * mesh['fsdp']
    rows = train.batch_rows // train.accumulate // shards
    lines = []
    if train.remat != 'full':
        lines.append('config.train.remat=full: the backward pass recomputes the blocks')
    if train.compute_dtype == 'float32':
        lines.append('config.train.compute_dtype=bfloat16: half the activations')
    if rows > 1:
        lines.append(
            f'config.train.accumulate={train.batch_rows // shards}: 1 row at a time on each chip'
            f' instead of {rows}, the same update (or config.train.batch_rows={shards})'
        )
    lines.append(f'config.train.row_tokens={train.row_tokens // 2}: half the activations')
    return lines


def _score_rows(config: RunConfig, model: DecoderConfig, mesh: dict[str, int]) -> list[str]:
    score, lines = config.score, []
    if score.rows_per_device > 1:
        lines.append(f'config.score.rows_per_device=1 instead of {score.rows_per_device}')
    if config.model.compute_dtype == 'float32':
        lines.append('config.model.compute_dtype=bfloat16: half the activations')
    lines.append(f'config.score.row_tokens={score.row_tokens // 2}: half the activations')
    return lines


def _split(config: RunConfig, model: DecoderConfig, mesh: dict[str, int], step: str) -> list[str]:
    """Advice to double tensor parallelism at the cost of the fsdp axis, if that is possible."""
    tensor = 2 * mesh['tensor']
    sizes = (model.num_heads, model.num_kv_heads, model.vocab_size, model.experts or model.d_ff)
    if mesh['fsdp'] % 2 or any(size % tensor for size in sizes):
        return []
    also = ''
    if step == 'train' and config.train.accumulate == 1:
        rows = mesh['data'] * mesh['fsdp'] // 2
        also = f' (then config.train.batch_rows may be {rows})'
    return [
        f'config.mesh.tensor={tensor}, config.mesh.fsdp={mesh["fsdp"] // 2}: heads, feed-forward'
        f' part and logits of a row are split over {tensor} chips{also}'
    ]


def _speed(cost: Cost, config: RunConfig, model: DecoderConfig, mesh: dict[str, int]) -> list[str]:
    trains, bound = cost.step.name == 'train', cost.bound
    if bound is None:  # not compiled
        return []
    if bound.by == 'links':
        field = 'config.train.batch_rows' if trains else 'config.score.rows_per_device'
        lines = [f'larger {field}: the links carry weights and gradients, not activations']
        if mesh['tensor'] > 1:
            lines = [f'config.mesh.tensor={mesh["tensor"] // 2}: fewer exchanges of activations']
        return lines
    dtype = config.train.compute_dtype if trains else config.model.compute_dtype
    if dtype == 'float32':
        field = 'config.train.compute_dtype' if trains else 'config.model.compute_dtype'
        return [
            f'{field}=bfloat16: products at {cost.chip.flops / 1e12:.0f} TFLOP/s, not'
            f' {cost.chip.float32_flops / 1e12:.0f}'
        ]
    if bound.by == 'compute' and trains and config.train.remat == 'full':
        return ['config.train.remat=dots, if there is room: fewer products are recomputed']
    if bound.by == 'hbm' and not trains:
        return ['larger config.score.rows_per_device: one read of the weights serves more rows']
    if bound.by == 'hbm':
        train = config.train
        if train.accumulate > 1:
            return [
                'smaller config.train.accumulate, if there is room: weights are read less often'
            ]
        on = 'tpu' if cost.chip.platform == 'tpu' else 'gpu'
        how = kernels.choose(model, dtype, train.row_tokens, documents=1, on=on)
        if how.kernel == kernels.XLA:
            return [f'shorter config.train.row_tokens: attention scores go through HBM ({how.why})']
        return [
            'larger config.train.batch_rows, if there is room: one read of the weights serves more'
        ]
    return []


def _gib(size: float) -> str:
    return f'{size / GIB:.2f} GiB'
