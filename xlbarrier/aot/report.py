"""Mode compile: compiles the steps of a config for a topology; a text, and compile.json."""

import dataclasses
import pathlib
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import jax

from xlbarrier import mesh as mesh_lib
from xlbarrier.aot import compiled, knobs, steps, topology
from xlbarrier.aot.chips import GIB
from xlbarrier.aot.compiled import Cost
from xlbarrier.config import RunConfig
from xlbarrier.models import load
from xlbarrier.models import source as source_lib
from xlbarrier.models.config import DecoderConfig
from xlbarrier.progress import Progress
from xlbarrier.scoring import sizes

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Prepared:
    """The steps that a config asks for, checked and traced."""

    config: RunConfig
    topology: topology.Topology
    model: DecoderConfig
    mesh: dict[str, int]
    steps: tuple[steps.Step, ...]


def prepare(config: RunConfig, devices: Sequence[jax.Device] | None = None) -> Prepared:
    """Traces the steps of `config.compile`; takes seconds, and allocates nothing.

    Args:
      config: model, mesh, train, score and compile are read.
      devices: to compile for; None: those of the topology.

    Raises:
      TopologyError: for a topology that is unknown or cannot be compiled for.
      InputError: if the model's config is not available, or mesh, batch and model do not fit
        together.
    """
    named = topology.parse(config.compile.topology)
    score = sizes.of_platform(config.score, named.platform)
    config = dataclasses.replace(config, score=score)
    model = read_model(config.model.source)
    mesh = mesh_lib.make_mesh(
        config.mesh.data,
        config.mesh.fsdp,
        config.mesh.tensor,
        devices=topology.devices(named) if devices is None else devices,
    )
    try:
        made = tuple(_step(name, config, model, mesh) for name in config.compile.steps)
    except RuntimeError as error:
        if 'cuDNN' not in str(error):
            raise
        raise topology.TopologyError(
            f"compiling for {named.name} needs NVIDIA's libraries: {error}"
            " pip install 'xlbarrier[gpu]' (no GPU is needed)"
        ) from error
    return Prepared(config, named, model, dict(mesh.shape), made)


def report(prepared: Prepared) -> dict[str, Any]:
    """Compiles the steps one after the other; returns the contents of compile.json."""
    named, costs = prepared.topology, []
    for step in prepared.steps:
        with Progress(f'compiling the {step.name} step for {named.name}'):
            costs.append(compiled.measure(step, named.chip, named.chips))
    return {
        'schema': SCHEMA,
        'topology': named.name,
        'chip': dataclasses.asdict(named.chip),
        'chips': named.chips,
        'mesh': prepared.mesh,
        'model': {
            'source': prepared.config.model.source,
            'family': prepared.model.family,
            'parameters': prepared.steps[0].parameters,
        },
        'versions': _versions(),
        'steps': [_record(cost, prepared) for cost in costs],
    }


def read_model(source: str) -> DecoderConfig:
    """The config of a model, without its weights.

    Args:
      source: as config.model.source; a folder with only config.json, or that file itself, is
        enough, and for hf:ORG/NAME only that file is fetched.

    Raises:
      InputError, FileNotFoundError: the message names what is missing.
    """
    path = pathlib.Path(source).expanduser()
    if path.name == 'config.json' and path.is_file():
        return load.read_config(path.parent)
    if (path / 'config.json').is_file():
        return load.read_config(path)
    if source.startswith('hf:'):
        return load.read_config(_fetched(source.removeprefix('hf:')))
    return load.read_config(source_lib.resolve(source))


def text(record: dict[str, Any]) -> str:
    """The report as text."""
    model, chip = record['model'], record['chip']
    axes = ' '.join(f'{axis}={size}' for axis, size in record['mesh'].items())
    lines = [
        f'{model["source"]} ({model["family"]}, {model["parameters"] / 1e9:.2f} B parameters) on'
        f' {record["topology"]}, {record["chips"]} chips, mesh {axes}'
    ]
    for step in record['steps']:
        lines += ['', *_step_lines(step, chip)]
    return '\n'.join(lines)


def _step(name: str, config: RunConfig, model: DecoderConfig, mesh: jax.sharding.Mesh) -> Any:
    if name == 'train':
        return steps.train(model, config.model, config.train, mesh)
    row_tokens = config.score.row_tokens
    return steps.score(
        model,
        config.model,
        row_tokens=row_tokens,
        rows_per_device=config.score.rows_per_device,
        asked=config.compile.score_places or row_tokens,
        mesh=mesh,
    )


def _record(cost: Cost, prepared: Prepared) -> dict[str, Any]:
    step, bound, config = cost.step, cost.bound, prepared.config
    memory = dataclasses.asdict(cost.memory)
    record = {
        'name': step.name,
        'shape': _shape(step.name, config),
        'verdict': 'fits' if cost.fits else 'does not fit',
        'why': cost.said,
        'turn': knobs.advice(cost, config, prepared.model, prepared.mesh),
        'compile_seconds': cost.compile_seconds and round(cost.compile_seconds, 1),
        'tokens': step.tokens,
        'memory_bytes': memory | {'hbm': cost.chip.hbm_bytes},
        'flops': dataclasses.asdict(step.flops) | {'total': step.flops.total},
        'model_flops': step.model_flops / cost.chips,
        'hbm_bytes': cost.hbm_bytes,
        'collectives': None,
        'bound': None,
        'notes': list(cost.notes),
    }
    if bound is not None and cost.collectives is not None:
        record['collectives'] = {
            kind: dataclasses.asdict(found) for kind, found in cost.collectives.items()
        }
        record['bound'] = {
            'compute_seconds': bound.compute,
            'hbm_seconds': bound.hbm,
            'links_seconds': bound.links,
            'seconds': bound.seconds,
            'by': bound.by,
            'mfu': cost.mfu,
            'tokens_per_second': step.tokens / bound.seconds,
        }
    return record


def _shape(name: str, config: RunConfig) -> str:
    if name == 'train':
        train = config.train
        return (
            f'{train.batch_rows} rows of {train.row_tokens} tokens, {train.accumulate} microbatch'
            f'{"es" if train.accumulate > 1 else ""}, {train.method}, remat {train.remat},'
            f' {config.model.param_dtype} parameters, {train.compute_dtype} arithmetic'
        )
    score = config.score
    return (
        f'{score.rows_per_device} row{"s" if score.rows_per_device > 1 else ""} of'
        f' {score.row_tokens} tokens on each shard of the batch,'
        f' {config.compile.score_places or score.row_tokens} positions scored,'
        f' {config.model.param_dtype} parameters, {config.model.compute_dtype} arithmetic'
    )


def _step_lines(step: dict[str, Any], chip: dict[str, Any]) -> list[str]:
    took = step['compile_seconds']
    lines = [
        f'{step["name"]}: {step["shape"]}' + (f'; compiled in {took:.0f} s' if took else ''),
        '  memory per chip, GiB',
    ]
    memory = step['memory_bytes']
    for name in ('parameters', 'optimizer', 'temporaries', 'other', 'needed', 'live'):
        if memory[name] is not None:
            share = f' of {memory["hbm"] / GIB:.2f}' if name == 'needed' else ''
            if name == 'needed' and memory['available']:
                share += f', of which {memory["available"] / GIB:.2f} are available to a program'
            lines.append(f'    {name:<22}{memory[name] / GIB:8.2f}{share}')
    lines.append('  work per chip and step')
    bound = step['bound'] or {}
    flops = f'{step["flops"]["total"] / 1e12:.2f} TFLOP'
    needless = 1 - step['model_flops'] / step['flops']['total']
    lines.append(
        f'    {"matrix products":<22}{flops:>16}{_seconds(bound.get("compute_seconds"))},'
        f' {needless:.0%} of it recomputed or duplicated'
    )
    if bound:
        moved = f'{step["hbm_bytes"] / 1e9:.1f} GB'
        lines.append(f'    {"HBM":<22}{moved:>16}{_seconds(bound["hbm_seconds"])}')
        sent = sum(found['wire_bytes'] for found in step['collectives'].values())
        over = f'{sent / 1e9:.2f} GB'
        lines.append(f'    {"links, sent":<22}{over:>16}{_seconds(bound["links_seconds"])}')
        for kind, found in step['collectives'].items():
            size = f'{found["bytes"] / 1e9:.2f} GB'
            lines.append(f'      {kind:<20}{size:>16} in {found["count"]:,} runs')
        lines.append(
            f'  at best {bound["seconds"]:.4g} s per step (bound by {bound["by"]}),'
            f' {bound["tokens_per_second"]:,.0f} tokens/s, MFU at most {bound["mfu"]:.1%} of'
            f' {chip["flops"] / 1e12:.0f} TFLOP/s'
        )
    lines += [f'  note: {note}' for note in step['notes']]
    why = f': {step["why"]}' if step['why'] else ''
    lines.append(f'  {step["verdict"].upper()}{why}')
    lines += [f'    turn {line}' for line in step['turn']]
    return lines


def _seconds(value: float | None) -> str:
    return '' if value is None else f'{value * 1e3:12.2f} ms'


def _versions() -> dict[str, str]:
    found = {}
    for name in ('xlbarrier', 'jax', 'jaxlib', 'flax', 'libtpu'):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _fetched(name: str) -> pathlib.Path:
    """The folder with a hub model's config.json, without its weights."""
    import huggingface_hub
    from huggingface_hub import errors

    repository, _, revision = name.partition('@')
    if repository.count('/') != 1:
        raise source_lib.SourceError(
            f"model.source 'hf:{name}' is not hf:ORG/NAME or hf:ORG/NAME@REVISION"
        )
    try:
        file = huggingface_hub.hf_hub_download(repository, 'config.json', revision=revision or None)
    except (errors.HfHubHTTPError, errors.HTTPError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [repr(error)])[0]
        raise source_lib.SourceError(
            f'the config.json of hf:{name} is not available from the hub or its cache: {first}'
            ' (write it into a folder of its own and set config.model.source to that: mode compile'
            ' needs no weights)'
        ) from error
    return pathlib.Path(file).parent
