"""Mode compile: names of topologies, verdicts, knobs, compile.json, and what is told when it fails.

XLA's CPU compiler stands for a pod's where libtpu is not installed; with it, the real one runs too.
"""

import dataclasses
import importlib.util
import json
import pathlib
import subprocess
import sys

import jax
import pytest

from xlbarrier import config as config_lib
from xlbarrier import mesh as mesh_lib
from xlbarrier.aot import chips, compiled, knobs, report, topology
from xlbarrier.models.source import SourceError

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBTPU = importlib.util.find_spec('libtpu') is not None
PLUGIN = any(importlib.util.find_spec(f'jax_cuda{n}_plugin') for n in (12, 13))
needs_libtpu = pytest.mark.skipif(not LIBTPU, reason='libtpu is not installed (extra [tpu])')
TINY = {
    'model_type': 'llama',
    'vocab_size': 512,
    'hidden_size': 64,
    'intermediate_size': 128,
    'num_hidden_layers': 2,
    'num_attention_heads': 4,
    'num_key_value_heads': 2,
    'rms_norm_eps': 1e-5,
    'rope_theta': 10000.0,
    'max_position_embeddings': 512,
    'tie_word_embeddings': False,
}


@pytest.fixture(scope='module')
def shape(tmp_path_factory):
    """A folder that holds a config.json and nothing else."""
    folder = tmp_path_factory.mktemp('shape')
    (folder / 'config.json').write_text(json.dumps(TINY))
    return folder


def resolved(source, **changes):
    values = {
        'mode': 'compile',
        'model': {'source': str(source)},
        'tasks': {'worldfacts': {}},
        'mesh': {'data': 2, 'fsdp': 2, 'tensor': 2},
        'train': {'batch_rows': 8, 'row_tokens': 64, 'remat': 'full'},
        'score': {'row_tokens': 64, 'rows_per_device': 1},
        'compile': {'topology': 'v5e:2x4', 'score_places': 16},
    }
    for name, fields in changes.items():
        values[name] = {**values[name], **fields} if isinstance(fields, dict) else fields
    return config_lib.resolve(values)


@pytest.fixture(scope='module')
def record(shape):
    return report.report(report.prepare(resolved(shape), jax.devices()))


@pytest.mark.parametrize(
    ('name', 'count'),
    [('v5e:4x4', 16), ('v4:2x2x4', 16), ('v5p:4x8x8', 256), ('v6e:16x16', 256), ('h100:8', 8)],
)
def test_known_topologies(name, count):
    assert topology.parse(name).chips == count


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('v9:2x2', ["'v9:2x2'", 'v5e:4x4', 'v5p:2x2x4', 'h100:8']),
        ('v5e', ["'v5e'", 'CHIP:LAYOUT']),
        ('v5e-16', ["'v5e-16'", 'CHIP:LAYOUT']),
        ('', ["''", 'CHIP:LAYOUT']),
        ('v5e:4x4x4', ['v5e has 2 axes', 'v5e:4x4']),
        ('v5p:4x4', ['v5p has 3 axes', 'v5p:2x2x4']),
        ('v5e:0x4', ['at least 1']),
        ('v5e:32x16', ['512 chips', 'slice of v5e has 256']),
        ('v5e:256x1', ['an axis of a slice of v5e has at most 16']),
        ('v6e:1x32', ['an axis of a slice of v6e has at most 16']),
        ('h100:16', ['NVLink domain of h100 has 8']),
    ],
)
def test_unknown_topologies_are_told_the_known_ones(name, words):
    with pytest.raises(topology.TopologyError) as error:
        topology.parse(name)
    for word in ['config.compile.topology', *words]:
        assert word in str(error.value)


@pytest.mark.skipif(LIBTPU, reason='libtpu is installed')
def test_without_libtpu_the_extra_is_named():
    with pytest.raises(topology.TopologyError, match=r"libtpu.*pip install 'xlbarrier\[tpu\]'"):
        topology.devices(topology.parse('v5e:4x4'))


@pytest.mark.skipif(PLUGIN, reason="jax's CUDA plugin is installed")
def test_without_the_cuda_plugin_the_extra_is_named():
    with pytest.raises(topology.TopologyError, match=r"CUDA plugin.*'xlbarrier\[gpu\]'"):
        topology.devices(topology.parse('h100:8'))


@pytest.mark.parametrize('chip', chips.CHIPS.values(), ids=lambda chip: chip.name)
def test_rates_of_chips_are_in_order(chip):
    assert chip.float32_flops < chip.default_flops <= chip.flops
    assert chip.link_rate < chip.hbm_rate < chip.flops
    assert 16 * chips.GIB <= chip.hbm_bytes < 256 * chips.GIB


def test_the_record_adds_up(record):
    json.dumps(record, allow_nan=False)
    assert record['mesh'] == {'data': 2, 'fsdp': 2, 'tensor': 2}
    assert [step['name'] for step in record['steps']] == ['train', 'score']
    for step in record['steps']:
        memory, bound = step['memory_bytes'], step['bound']
        parts = ('parameters', 'optimizer', 'temporaries', 'other')
        assert memory['needed'] == sum(memory[name] for name in parts)
        assert step['verdict'] == 'fits' and memory['needed'] < memory['hbm'] == 16 * chips.GIB
        sent = sum(found['wire_bytes'] for found in step['collectives'].values())
        assert sent > 0 and bound['links_seconds'] == pytest.approx(sent / 200e9)
        assert bound['hbm_seconds'] == pytest.approx(step['hbm_bytes'] / 819e9)
        assert bound['compute_seconds'] == pytest.approx(step['flops']['total'] / (197e12 / 6))
        assert bound['seconds'] == bound[f'{bound["by"]}_seconds']
        assert bound['tokens_per_second'] == pytest.approx(step['tokens'] / bound['seconds'])
        assert bound['mfu'] == pytest.approx(step['model_flops'] / bound['seconds'] / 197e12)
        assert 0 < bound['mfu'] < 1
    train, score = record['steps']
    assert train['tokens'] == 8 * 64 and score['tokens'] == 4 * 64
    assert train['memory_bytes']['optimizer'] > train['memory_bytes']['parameters']
    assert score['memory_bytes']['optimizer'] == 0


def test_the_text_says_it_in_words(record):
    text = report.text(record)
    assert 'v5e:2x4, 8 chips, mesh data=2 fsdp=2 tensor=2' in text
    assert text.count('  FITS') == 2 and 'MFU at most' in text and 'all-gather' in text


def test_no_more_places_than_tokens(shape):
    """The engine never asks for more: the figures would be of a step that is never run."""
    with pytest.raises(config_lib.ConfigError, match=r'score_places is 65.*row_tokens = 64'):
        resolved(shape, compile={'score_places': 65})
    assert resolved(shape, compile={'score_places': 64}).compile.score_places == 64


def test_one_step_alone(shape):
    config = resolved(shape, compile={'steps': ('score',)})
    assert [step.name for step in report.prepare(config, jax.devices()).steps] == ['score']


def test_a_state_larger_than_the_chip_is_not_compiled(shape):
    prepared = report.prepare(resolved(shape), jax.devices())
    train = prepared.steps[0]
    state = train.parameter_bytes + train.optimizer_bytes
    small = dataclasses.replace(chips.CHIPS['v5e'], hbm_bytes=state - 1, kept_bytes=0)
    cost = compiled.measure(train, small, 8)
    assert not cost.fits and cost.compile_seconds is None and 'not compiled' in cost.said
    small = dataclasses.replace(small, hbm_bytes=state + 1)  # room for no activation
    cost = compiled.measure(train, small, 8)
    assert not cost.fits and cost.memory.needed > state + 1 and 'more than the chip' in cost.said
    advice = knobs.advice(cost, prepared.config, prepared.model, prepared.mesh)
    assert len(advice) > 3 and all(line.startswith('for room, ') for line in advice)


def test_what_the_runtime_keeps_is_not_free(shape):
    """libtpu lets a program have 15.75 of a v5e's 16 GiB: between the two nothing fits."""
    free = {name: chip.free_bytes / chips.GIB for name, chip in chips.CHIPS.items()}
    assert (free['v4'], free['v5e'], free['v5p'], free['v6e']) == (30.75, 15.75, 95, 31.25)
    prepared = report.prepare(resolved(shape, compile={'steps': ('score',)}), jax.devices())
    (step,) = prepared.steps
    needed = compiled.measure(step, chips.CHIPS['v5e'], 8).memory.needed
    for kept, fits in ((100, True), (101, False)):
        chip = dataclasses.replace(chips.CHIPS['v5e'], hbm_bytes=needed + 100, kept_bytes=kept)
        cost = compiled.measure(step, chip, 8)
        assert cost.fits is fits and cost.memory.available == needed + 100 - kept
        record = report._record(cost, prepared)
        assert 'are available to a program' in '\n'.join(
            report._step_lines(record, {'flops': 1e12})
        )


@pytest.mark.parametrize(
    ('said', 'needed', 'available'),
    [
        ('the total memory required (32.26G) exceeds available HBM (15.75G).', 32.26, 15.75),
        ('Ran out of memory in memory space hbm. Used 20.51G of 15.75G hbm. Ex', 20.51, 15.75),
        ('Used 512.00M of 15.75G hbm', 0.5, 15.75),
    ],
)
def test_the_compilers_own_figures_are_read(said, needed, available):
    memory = compiled._refused(compiled.Memory(1, 2), said)
    assert memory.needed == pytest.approx(needed * chips.GIB)
    assert memory.available == pytest.approx(available * chips.GIB)
    assert compiled._refused(compiled.Memory(1, 2), 'no memory').needed is None


@pytest.mark.parametrize(
    ('changes', 'step', 'fields'),
    [
        ({'train': {'remat': 'dots'}}, 0, ['train.remat=full']),
        ({}, 0, ['train.row_tokens=32', 'train.method=lora', 'model.param_dtype=bfloat16']),
        ({}, 0, ['mesh.fsdp=4, config.mesh.data=1', 'train.compute_dtype=bfloat16']),
        ({'train': {'batch_rows': 16}}, 0, ['train.accumulate=4: 1 row']),
        ({}, 1, ['score.row_tokens=32', 'model.compute_dtype=bfloat16']),
        ({'score': {'rows_per_device': 2}}, 1, ['score.rows_per_device=1']),
        ({'mesh': {'data': 1, 'fsdp': 8, 'tensor': 1}}, 1, ['mesh.tensor=2, config.mesh.fsdp=4']),
    ],
)
def test_what_does_not_fit_is_told_which_fields_help(shape, changes, step, fields):
    prepared = report.prepare(resolved(shape, **changes), jax.devices())
    no_room = dataclasses.replace(chips.CHIPS['v5e'], hbm_bytes=1)
    cost = compiled.measure(prepared.steps[step], no_room, 8)
    advice = '\n'.join(knobs.advice(cost, prepared.config, prepared.model, prepared.mesh))
    for field in fields:
        assert f'config.{field}' in advice


def test_attention_is_blamed_only_where_its_scores_exist(shape, tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps(TINY | {'head_dim': 64}))
    train = {'compute_dtype': 'bfloat16', 'row_tokens': 256}
    for source, heads, words in (
        (shape, 16, 'shorter config.train.row_tokens: attention scores go through HBM (heads of'),
        (tmp_path, 64, 'larger config.train.batch_rows, if there is room'),
    ):
        prepared = report.prepare(resolved(source, train=train), jax.devices())
        assert prepared.model.head_dim == heads
        cost = compiled.measure(prepared.steps[0], chips.CHIPS['v5e'], 8)
        cost = dataclasses.replace(cost, bound=compiled.Bound(1.0, 2.0, 0.5))
        (line,) = knobs.advice(cost, prepared.config, prepared.model, prepared.mesh)
        assert line.startswith(f'for speed, {words}'), line


def test_steps_for_gpus_have_the_sizes_of_gpus(tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps(TINY | {'max_position_embeddings': 1024}))
    rows = {'row_tokens': 0, 'rows_per_device': 0}
    for name, chosen in (('v5e:2x4', (1024, 8)), ('h100:8', (512, 32))):
        config = resolved(tmp_path, compile={'topology': name}, score=rows)
        score = report.prepare(config, jax.devices()).config.score
        assert (score.row_tokens, score.rows_per_device) == chosen


def test_a_machine_without_cudnn_names_the_extra(shape, monkeypatch):
    def refused(*args, **kwargs):
        raise RuntimeError('cuDNN not found.')

    monkeypatch.setattr(report.steps, 'train', refused)
    with pytest.raises(topology.TopologyError, match=r"cuDNN not found.*'xlbarrier\[gpu\]'"):
        report.prepare(resolved(shape, compile={'topology': 'h100:8'}), jax.devices())


def test_how_many_chips_it_would_take(shape):
    prepared = report.prepare(resolved(shape), jax.devices())
    train = prepared.steps[0]
    state = train.parameter_bytes + train.optimizer_bytes
    small = dataclasses.replace(chips.CHIPS['v5e'], hbm_bytes=state // 3)
    advice = knobs.advice(
        compiled.measure(train, small, 8), prepared.config, prepared.model, prepared.mesh
    )
    assert any('for room, 8 times the chips' in line for line in advice)  # 3 / 8 of each, not 3 / 4


def test_advice_that_is_taken_is_not_given_again(shape):
    config = resolved(
        shape,
        model={'param_dtype': 'bfloat16', 'compute_dtype': 'bfloat16'},
        train={'compute_dtype': 'bfloat16', 'method': 'lora', 'batch_rows': 4},
    )
    prepared = report.prepare(config, jax.devices())
    no_room = dataclasses.replace(chips.CHIPS['v5e'], hbm_bytes=1)
    for step in prepared.steps:
        cost = compiled.measure(step, no_room, 8)
        advice = '\n'.join(knobs.advice(cost, prepared.config, prepared.model, prepared.mesh))
        for field in ('dtype', 'method=', 'remat=', 'accumulate=', 'rows_per_device='):
            assert field not in advice


def test_a_model_is_its_config_json(shape, tmp_path):
    assert report.read_model(str(shape)) == report.read_model(str(shape / 'config.json'))
    assert report.read_model(str(shape)).d_ff == 128
    with pytest.raises(SourceError, match='does not exist'):
        report.read_model(str(tmp_path / 'nothing'))
    with pytest.raises(SourceError, match='is not hf:ORG/NAME'):
        report.read_model('hf:nothing')
    # The tests' environment is offline: the hub is not asked.
    with pytest.raises(SourceError, match=r'config.json of hf:org/name .* needs no weights'):
        report.read_model('hf:org/name')


def test_what_does_not_divide_is_told_before_compiling(shape):
    with pytest.raises(ValueError, match='tensor = 8 does not divide query heads = 4'):
        report.prepare(resolved(shape, mesh={'data': 1, 'fsdp': 1, 'tensor': 8}), jax.devices())
    with pytest.raises(ValueError, match='data=3 x fsdp=2 x tensor=2 does not fit 8 devices'):
        report.prepare(resolved(shape, mesh={'data': 3}), jax.devices())
    with pytest.raises(ValueError, match='do not divide the batch of 6 rows'):
        report.prepare(resolved(shape, train={'batch_rows': 6}), jax.devices())


def start(workdir, source, *flags):
    return subprocess.run(
        [
            *(sys.executable, '-m', 'xlbarrier.main', '--config=configs/compile.py'),
            *(f'--workdir={workdir}', f'--config.model.source={source}', *flags),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_command_tells_an_error_in_a_line_and_leaves_no_folder(shape, tmp_path):
    done = start(tmp_path / 'run', shape, '--config.compile.topology=v5e:4')
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    last = done.stderr.strip().split('\n')[-1]
    assert last.startswith("ERROR: config.compile.topology is 'v5e:4'")
    assert not (tmp_path / 'run').exists()


@needs_libtpu
def test_the_command_with_the_real_compiler(tmp_path):
    shape = tmp_path / 'shape'
    shape.mkdir()
    # Heads that splash attention takes: its kernels are in the program that is read.
    (shape / 'config.json').write_text(json.dumps(TINY | {'head_dim': 64}))
    flags = ('--config.train.row_tokens=128', '--config.score.row_tokens=128')
    flags += ('--config.compile.score_places=128',)
    done = start(tmp_path / 'run', shape, *flags, '--config.compile.topology=v5e:2x2')
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'v5e:2x2, 4 chips, mesh data=1 fsdp=4 tensor=1' in done.stdout
    found = json.loads((tmp_path / 'run' / 'compile.json').read_text())
    assert found['versions']['libtpu'] and found['chips'] == 4
    for step in found['steps']:
        assert step['verdict'] == 'fits' and step['notes'] == []  # every loop was read
        assert step['collectives']['all-gather']['count'] >= 2
    again = start(tmp_path / 'run', shape, *flags, '--config.compile.topology=v5p:2x2x1')
    assert again.returncode == 2 and 'config.compile.topology: there' in again.stderr


@needs_libtpu
@pytest.mark.parametrize('name', ['v5e:1x1', 'v4:2x2x1', 'v5p:2x2x1', 'v6e:2x2', 'v5e:16x16'])
def test_one_device_a_chip(name):
    named = topology.parse(name)
    assert len(topology.devices(named)) == named.chips


@needs_libtpu
def test_an_axis_of_the_mesh_may_cut_an_axis_of_the_pod():
    mesh = mesh_lib.make_mesh(16, 16, 1, topology.devices(topology.parse('v5p:4x8x8')))
    assert dict(mesh.shape) == {'data': 16, 'fsdp': 16, 'tensor': 1}
    assert set(mesh.axis_types) == {jax.sharding.AxisType.Explicit}
    assert len({device.id for device in mesh.devices.flat}) == 256


@needs_libtpu
def test_what_libtpu_refuses_is_told(shape):
    """A model that does not fit: the real compiler's message is understood."""
    named = topology.parse('v5e:2x2')
    config = resolved(
        ROOT / 'configs/shapes/llama-3-8b',
        model={'param_dtype': 'bfloat16', 'compute_dtype': 'bfloat16'},
        mesh={'data': 1, 'fsdp': 4, 'tensor': 1},
        train={'compute_dtype': 'bfloat16', 'batch_rows': 64, 'row_tokens': 8192, 'remat': 'full'},
        compile={'topology': named.name, 'steps': ('train',)},
    )
    cost = compiled.measure(report.prepare(config).steps[0], named.chip, 4)
    assert not cost.fits and cost.memory.needed > cost.memory.available
