"""Mode convert on the command line: any model in, a folder that transformers reads out."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests import torch_families
from tests.family_parity import logits, one
from tests.test_adapters import peft_model
from tests.test_study import ROOT
from xlbarrier.data.tokenize import load_tokenizer
from xlbarrier.models import load


def convert(model, workdir, *flags):
    return subprocess.run(
        [
            *(sys.executable, '-m', 'xlbarrier.main', '--config=configs/convert.py'),
            f'--workdir={workdir}',
            f'--config.model.source={model}',
            *flags,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_an_adapter_is_merged_and_shards_are_as_large_as_asked(tiny_llama, tmp_path):
    model = peft_model(tiny_llama, ['q_proj', 'down_proj'])
    model.save_pretrained(tmp_path / 'adapter')
    answer = convert(
        tiny_llama,
        tmp_path / 'run',
        f'--config.model.adapter={tmp_path / "adapter"}',
        '--config.export.shard_gb=0.004',
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    out = tmp_path / 'run/export/model'
    sizes = sorted(path.stat().st_size for path in out.glob('*.safetensors'))
    # The embedding alone is larger than a shard, and stands alone.
    assert len(sizes) > 1 and all(size < 4_100_000 for size in sizes[:-1])
    ids = np.random.default_rng(0).integers(0, 49_152, 20)
    ours = torch_families.logits(torch_families.read(out), ids)
    theirs = torch_families.logits(model, ids)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
    text = 'Grüße, 世界! 123'
    assert load_tokenizer(out)(text)['input_ids'] == load_tokenizer(tiny_llama)(text)['input_ids']
    assert json.loads((tmp_path / 'run/run.json').read_text())['finished']
    assert 'nothing was trained' in (out / 'README.md').read_text(encoding='utf-8')


def test_a_pickled_checkpoint_is_refused_with_the_command_that_converts_it(tiny_llama, tmp_path):
    folder = tmp_path / 'pickled'
    model = torch_families.read(tiny_llama)
    shutil.copytree(tiny_llama, folder, ignore=shutil.ignore_patterns('*.safetensors'))
    state = list(model.state_dict().items())  # tied weights are there twice
    torch.save(dict(state[:9]), folder / 'pytorch_model-00001-of-00002.bin')
    torch.save(dict(state[9:]), folder / 'pytorch_model-00002-of-00002.bin')
    answer = convert(folder, tmp_path / 'run')
    assert answer.returncode != 0
    assert f'{folder} has no *.safetensors file, and pickled checkpoints' in answer.stderr
    command = answer.stderr[answer.stderr.index('python -c') :].splitlines()[0]
    done = subprocess.run(
        command.replace('python', sys.executable, 1), shell=True, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ids = np.arange(20)
    np.testing.assert_array_equal(
        torch_families.logits(torch_families.read(folder), ids), torch_families.logits(model, ids)
    )
    decoder = load.load_decoder(folder, one())
    ours = logits(decoder, one(), ids[None].astype(np.int32))[0]
    assert np.abs(ours - torch_families.logits(model, ids)).max() <= 1e-4 * np.abs(ours).max()
    assert len(load_tokenizer(folder)) == decoder.config.vocab_size


def test_a_model_with_code_of_its_own_is_refused(tiny_llama, tmp_path):
    raw = json.loads((tiny_llama / 'config.json').read_text())
    raw |= {'model_type': 'newarch', 'auto_map': {'AutoModelForCausalLM': 'modeling.New'}}
    folder = shutil.copytree(tiny_llama, tmp_path / 'model')
    (folder / 'config.json').write_text(json.dumps(raw))
    answer = convert(folder, tmp_path / 'run')
    assert answer.returncode != 0
    assert "model_type = 'newarch' is not supported, and its own code" in answer.stderr
    assert 'supported: llama, mistral' in answer.stderr


@pytest.mark.slow
def test_the_real_gguf_becomes_a_folder_with_its_logits_and_that_itself(smollm2_gguf, tmp_path):
    answer = convert(smollm2_gguf, tmp_path / 'run')
    assert answer.returncode == 0, answer.stderr[-3000:]
    import xlbarrier as xb

    ids = [[5, 900, 77, 1024, 3]]
    first = xb.logits(xb.load_model(smollm2_gguf), ids)
    second = xb.logits(xb.load_model(tmp_path / 'run/export/model'), ids)
    np.testing.assert_array_equal(first, second)
    again = convert(tmp_path / 'run/export/model', tmp_path / 'again')
    assert again.returncode == 0, again.stderr[-3000:]
    files = sorted(path.name for path in (tmp_path / 'run/export/model').iterdir())
    assert 'model.safetensors' in files and 'tokenizer.json' in files
    for name in set(files) - {'README.md'}:  # the card names what the model was made from
        first, second = (tmp_path / run / 'export/model' / name for run in ('run', 'again'))
        assert first.read_bytes() == second.read_bytes(), name
