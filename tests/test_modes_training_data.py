"""What the arms are trained on: text, files, both by weight; packed once, whole or not at all."""

import collections
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from xlbarrier import config as config_lib
from xlbarrier import mesh as mesh_lib
from xlbarrier import run as run_lib
from xlbarrier.data import tokenize
from xlbarrier.data.mixture import Mixture
from xlbarrier.data.pack import DTYPES, PackedRows, pack
from xlbarrier.data.pipeline import batch_at
from xlbarrier.datafiles import DataError
from xlbarrier.models import load
from xlbarrier.modes import corpus, training_data
from xlbarrier.qa import packing
from xlbarrier.train import loop
from xlbarrier.train.loss import next_token_loss
from xlbarrier.train.step import put_microbatches

ROW = 64
PLACES = (
    'Lomé',
    'Accra',
    'Rabat',
    'Cairo',
    'Paris',
    'Rome',
    'Bern',
    'Oslo',
    'Riga',
    'Kyiv',
    'Doha',
)
QA = [
    {'question': f'Where is {place}, of {i} towns?', 'answer': f'On continent {i % 5}.'}
    for i in range(8)
    for place in PLACES
]

LAST = f'line {len(QA) + 1}'


def write(path, rows) -> str:
    path.write_text(''.join(json.dumps(r, ensure_ascii=False) + '\n' for r in rows))
    return str(path)


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    more = [{'instruction': f'Add {i}', 'input': '2', 'output': str(i + 2)} for i in range(40)]
    return write(tmp_path / 'a.jsonl', QA), write(tmp_path / 'b.jsonl', more)


@pytest.fixture
def make(tiny_llama, tmp_path):
    def made(arms=('english', 'mixed'), steps=6, row_tokens=ROW, seed=0, **data):
        return config_lib.resolve(
            {
                'mode': 'study',
                'model': {'source': str(tiny_llama)},
                'tasks': {'worldfacts': {}},
                'arms': tuple(arms),
                'seed': seed,
                'corpus': {'documents': 24, 'languages': ('en', 'fr', 'ar', 'zh')},
                'train': {
                    'steps': steps,
                    'batch_rows': 4,
                    'row_tokens': row_tokens,
                    'warmup_steps': 1,
                },
                'data': data,
            }
        )

    return made


@pytest.fixture
def prepared(tmp_path):
    """Rows by arm and run.json's training, in a run folder of their own or one named again."""
    count = iter(range(99))

    def prepare(config, folder=None):
        run = run_lib.open_run(folder or tmp_path / f'run{next(count)}', config)
        try:
            rows = training_data.prepare(run, config, corpus.build_all(run, config, {}))
            return rows, run.read_json('run.json').get('training', {}), run.folder
        finally:
            run.close()

    return prepare


def texts(tokenizer, rows):
    """Each segment of rows: all of its text, and the text that is learned."""
    found = []
    for row in range(len(rows)):
        at = 0
        while at < rows.shape[1] and rows.until[row, at] > at:
            end = int(rows.until[row, at]) + 1
            ids, weights = rows.tokens[row, at:end], rows.weights[row, at:end]
            found.append((tokenizer.decode(ids), tokenizer.decode(ids[weights > 0])))
            at = end
    return found


# --- one kind of data


def test_text_alone_is_packed_as_before(make, prepared, tokenizer):
    config = make()
    rows, training, folder = prepared(config)
    for arm in ('english', 'mixed'):
        text = [
            json.loads(line)['text']
            for path in sorted((folder / 'corpus' / arm).glob('shard-*'))
            for line in path.open(encoding='utf-8')
        ]
        wanted = pack(tokenize.encode_documents(tokenizer, text), ROW).take(24)
        assert isinstance(rows[arm], PackedRows)
        for name in DTYPES:
            assert (getattr(rows[arm], name) == getattr(wanted, name)).all(), name
        assert isinstance(rows[arm].tokens, np.memmap)
    # Two arms, the same number of tokens, none of them padding.
    for arm in ('english', 'mixed'):
        (part,) = training[arm].pop('parts')
        assert training[arm] == {
            'rows': 24, 'steps': 6, 'epochs': 1.0, 'tokens': 24 * ROW, 'text_tokens': 24 * ROW
        }  # fmt: skip
        assert (part['name'], part['fill'], part['share']) == ('text', 1.0, 1.0)
        assert part['loss_tokens'] == rows[arm].loss_tokens


def test_files_alone_hold_every_example_once_and_learn_answers(make, prepared, tokenizer, files):
    rows, training, folder = prepared(make(arms=('data',), files=(files[0],)))
    wanted = sorted(
        (f'Question: {r["question"]}\nAnswer: {r["answer"]}<|im_end|>', f' {r["answer"]}<|im_end|>')
        for r in QA
    )
    assert sorted(texts(tokenizer, rows['data'])) == wanted
    (part,) = training['data']['parts']
    assert (part['examples'], part['dropped']) == (len(QA), 0)
    assert part['fill'] == round(part['tokens'] / rows['data'].tokens.size, 4) > 0.8
    assert training['data']['tokens'] == part['trained_tokens'] < 6 * 4 * ROW  # no padding
    assert part['loss_tokens'] == rows['data'].weights.sum()
    assert not (folder / 'corpus').exists()


def test_loss_on_all_tokens(make, prepared, tokenizer, files):
    rows, _, _ = prepared(make(arms=('data',), files=(files[0],), loss='all', template='tofu'))
    whole, learned = texts(tokenizer, rows['data'])[0]
    assert whole == learned.join([whole[: len(whole) - len(learned)], ''])
    assert len(whole) - len(learned) <= len('Question')  # all but the first token


# --- mixtures


def test_shares_of_the_tokens_are_as_the_weights(make, prepared, files):
    config = make(arms=('english', 'mixed', 'data'), steps=100, files=files, weights=(5, 3, 2))
    rows, training, folder = prepared(config)
    for arm, wanted in (('english', (0.5, 0.3, 0.2)), ('mixed', (0.5, 0.3, 0.2))):
        mixed = rows[arm]
        assert [len(part) for part in mixed.parts] == [p['rows'] for p in training[arm]['parts']]
        assert [p['share'] for p in training[arm]['parts']] == pytest.approx(wanted, abs=0.005)
        assert 360 * ROW < training[arm]['tokens'] < 400 * ROW  # padding is not counted
        # And as a training meets them: tokens that are no padding, part by part.
        met = collections.Counter()
        edges = np.cumsum([len(part) for part in mixed.parts])
        for row in mixed.rows_at(np.arange(400), config.seed):
            part = int(np.searchsorted(edges, row, 'right'))
            kept = mixed.parts[part].until[row - edges[part]] > np.arange(ROW)
            met[part] += int(np.count_nonzero(kept)) + 1
        total = sum(met.values())
        assert [met[i] / total for i in range(3)] == pytest.approx(wanted, abs=0.03)
    assert rows['english'].counts == rows['mixed'].counts  # arms are alike but for their text
    # The arm without text takes the weights of the files alone.
    assert [p['share'] for p in training['data']['parts']] == pytest.approx((0.6, 0.4), abs=0.005)
    # Files are packed once for all arms.
    assert sorted(os.listdir(folder / 'packed')) == ['english', 'files-0', 'files-1', 'mixed']


def test_without_weights_every_part_is_as_large_as_it_is(make, prepared, files):
    rows, training, _ = prepared(make(arms=('english',), steps=2, files=files))
    mixed = rows['english']
    assert isinstance(mixed, Mixture) and mixed.counts == () and len(mixed.parts) == 3
    assert len(mixed.parts[0]) > 8  # the text is packed whole, beyond what two steps read
    sizes = [part['tokens'] for part in training['english']['parts']]
    shares = [part['share'] for part in training['english']['parts']]
    assert shares == pytest.approx([size / sum(sizes) for size in sizes], abs=1e-3)


def test_texts_in_files_are_laid_end_to_end(make, prepared, tokenizer, files, tmp_path):
    """The shards of one arm's corpus as a part of another's: a mixture of corpora."""
    _, _, folder = prepared(make(arms=('mixed',)))
    shards = str(folder / 'corpus/mixed/shard-*')
    config = make(arms=('english',), files=(shards, files[0]), weights=(2, 1, 1))
    rows, training, _ = prepared(config)
    _, text, answers = rows['english'].parts
    lines = [json.loads(x) for p in sorted(folder.glob('corpus/mixed/shard-*')) for x in p.open()]
    wanted = pack(tokenize.encode_documents(tokenizer, [line['text'] for line in lines]), ROW)
    for name in DTYPES:
        assert (getattr(text, name) == getattr(wanted, name)).all(), name
    assert (answers.weights.sum(1) < ROW / 2).all()
    assert training['english']['parts'][1]['documents'] == len(lines)
    write(pathlib.Path(files[0]), [*QA, {'text': 'A text among answers.'}])
    with pytest.raises(DataError, match=LAST + r' is of the form text, .*line 1 of question: '):
        prepared(config)


def test_a_weight_of_nothing_leaves_out(make, prepared, files):
    rows, training, folder = prepared(make(arms=('mixed',), files=files, weights=(0, 1, 0)))
    assert isinstance(rows['mixed'], PackedRows)
    assert [part['name'] for part in training['mixed']['parts']] == [files[0]]
    assert os.listdir(folder / 'packed') == ['files-0']


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}


def test_a_second_start_packs_nothing_and_another_run_makes_the_same_bytes(
    make, prepared, files, monkeypatch
):
    config = make(arms=('mixed',), files=files, weights=(1, 1, 1))
    rows, _, folder = prepared(config)
    first = bytes_of(folder / 'packed')
    assert bytes_of(prepared(config)[2] / 'packed') == first
    monkeypatch.setattr(packing, 'pack_texts', pytest.fail)
    monkeypatch.setattr(packing, 'pack_examples', pytest.fail)
    again, _, _ = prepared(config, folder)
    for step in range(3):
        batches = [batch_at(r['mixed'], step, 4, 0) for r in (rows, again)]
        for name in DTYPES:
            assert (batches[0][name] == batches[1][name]).all()


def test_damaged_rows_are_packed_again(make, prepared, files):
    config = make(arms=('data',), files=files[:1])
    _, _, folder = prepared(config)
    first = bytes_of(folder / 'packed')
    path = folder / 'packed/files-0/tokens.npy'
    path.write_bytes(path.read_bytes()[:-40])
    prepared(config, folder)
    assert bytes_of(folder / 'packed') == first


def test_files_that_changed_are_packed_again_unless_trained_on(make, prepared, files):
    config = make(arms=('data',), files=files[:1])
    _, _, folder = prepared(config)
    pathlib.Path(files[0]).write_text(json.dumps(QA[0]) + '\n')
    rows, training, _ = prepared(config, folder)
    assert training['data']['parts'][0]['examples'] == 1 and len(rows['data']) == 1
    (folder / 'checkpoints/data/2').mkdir(parents=True)
    write(pathlib.Path(files[0]), QA)
    with pytest.raises(run_lib.RunError, match=r'files-0 was packed from other data \(files\..*a'):
        prepared(config, folder)
    # Nor for the arms that are left, where one of the study's is finished.
    config = make(files=files[:1])
    _, _, folder = prepared(config)
    (folder / 'checkpoints/english/6').mkdir(parents=True)
    (folder / 'export/english').mkdir(parents=True)
    (folder / 'export/english/config.json').write_text('{}')
    pathlib.Path(files[0]).write_text(json.dumps(QA[0]) + '\n')
    with pytest.raises(run_lib.RunError, match=r'files-0 was packed .*, and english has'):
        prepared(config, folder)


def test_an_arm_that_is_exported_needs_no_files(make, prepared, files, tmp_path):
    config = make(arms=('data',), files=files[:1])
    _, _, folder = prepared(config)
    (folder / 'export/data').mkdir(parents=True)
    (folder / 'export/data/config.json').write_text('{}')
    pathlib.Path(files[0]).unlink()
    training_data.check(folder, config)
    assert prepared(config, folder)[0] == {}
    with pytest.raises(DataError, match=r'a\.jsonl: no such file'):
        training_data.check(tmp_path / 'new', config)


def test_a_kill_leaves_nothing_half_and_what_was_whole_is_kept(make, prepared, files, tmp_path):
    """The text is packed; the process dies as it puts the first file's arrays in their places."""
    config = make(arms=('mixed',), files=files, weights=(1, 1, 1))
    _, _, whole = prepared(config)
    settings = json.dumps(config_lib.to_dict(config))
    program = f"""
import json, os, pathlib, signal
from xlbarrier import config, run
from xlbarrier.modes import corpus, training_data
from xlbarrier.data.pack import RowWriter
settings = config.resolve(json.loads({settings!r}))
folder = run.open_run({str(tmp_path / 'killed')!r}, settings)
texts = corpus.build_all(folder, settings, {{}})
calls, real = [], os.replace
def replace(old, new):
    calls.append(new)
    if len(calls) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    real(old, new)
os.replace = replace
training_data.prepare(folder, settings, texts)
"""
    answer = subprocess.run([sys.executable, '-c', program], env=os.environ, timeout=100)
    assert answer.returncode == -signal.SIGKILL
    text = tmp_path / 'killed/packed/mixed/tokens.npy'
    made = text.stat().st_mtime_ns
    _, _, folder = prepared(config, tmp_path / 'killed')
    assert text.stat().st_mtime_ns == made
    assert bytes_of(folder / 'packed') == bytes_of(whole / 'packed')


# --- what cannot be trained on


@pytest.mark.parametrize(
    ('row', 'data', 'words'),
    [
        ({'q': 'x', 'a': 'y'}, {}, [LAST, "'q', 'a'", 'known forms']),
        ({'question': 'x', 'answer': ''}, {}, [LAST, 'answer is blank']),
        (
            {'question': 'x', 'answer': 'y ' * 80},
            {},
            [LAST, 'tokens', 'row_tokens is 64'],
        ),
        (
            {'messages': [dict(role='assistant', content='x')]},
            {'template': 'plain'},
            [LAST, 'conversation'],
        ),
    ],
)
def test_an_example_that_cannot_be_used_is_named(make, prepared, files, row, data, words):
    write(pathlib.Path(files[0]), [*QA, row])
    with pytest.raises(DataError) as error:
        prepared(make(arms=('data',), files=files[:1], **data))
    for word in words:
        assert word in str(error.value)


def test_examples_that_are_too_long_are_dropped_and_counted(make, prepared, files):
    write(pathlib.Path(files[0]), [*QA, *({'question': 'x', 'answer': 'y ' * 80} for _ in '123')])
    _, training, folder = prepared(make(arms=('data',), files=files[:1], too_long='drop'))
    part = training['data']['parts'][0]
    assert (part['examples'], part['dropped']) == (len(QA), 3)
    write(pathlib.Path(files[0]), [{'question': 'x', 'answer': 'y ' * 80}])
    with pytest.raises(DataError, match=r'all 1 examples of .*line 1 and on are longer'):
        prepared(make(arms=('data',), files=files[:1], too_long='drop'))
    assert folder.exists()


def test_weights_too_small_for_a_row_are_told(make, prepared, files):
    with pytest.raises(ValueError, match=r'part 1 .* weight 0\.001 .* less than one of 24 rows'):
        prepared(make(arms=('english',), files=files[:1], weights=(1, 0.001)))


# --- a real training


def test_a_training_on_eight_devices_learns_the_answers_alone_and_resumes(
    make, prepared, files, tiny_llama, tmp_path
):
    """The answers' loss falls; the questions', which weigh nothing, is not what falls."""
    config = make(arms=('english',), steps=12, files=files, weights=(1, 2, 1))
    train = dataclasses.replace(config.train, batch_rows=8, learning_rate=3e-3, checkpoint_every=6)
    rows = prepared(config)[0]['english']
    mesh = mesh_lib.make_mesh(2, 2, 2)

    def trained(folder, log, logged=0):
        return loop.train(
            load.load_decoder(tiny_llama, mesh),
            rows,
            train,
            folder=tmp_path / folder,
            seed=0,
            log=log,
            logged_through=logged,
        )

    whole, parts = [], []
    decoder = trained('whole', whole.append)

    def stop(row):
        if row['step'] == 8:
            raise InterruptedError
        parts.append(row)

    with pytest.raises(InterruptedError):
        trained('parts', stop)
    trained('parts', parts.append, logged=7)
    assert [(r['step'], r['loss']) for r in parts] == [(r['step'], r['loss']) for r in whole]

    answers = rows.parts[1]
    questions = (answers.until > np.arange(ROW)) & (answers.positions > 0) & (answers.weights == 0)

    def nats(decoder, weights):
        """Mean loss of the tokens that weigh something, in eight rows of answers."""
        batch = {name: np.array(getattr(answers, name)[:8]) for name in DTYPES}
        batch['weights'] = np.array(weights[:8], np.float32)
        laid = {name: x[0] for name, x in put_microbatches(batch, mesh, 1).items()}
        with jax.set_mesh(mesh):
            total, weight = jax.jit(next_token_loss)(decoder, laid)
        return float(total) / float(weight)

    base = load.load_decoder(tiny_llama, mesh)
    fallen = nats(base, answers.weights) - nats(decoder, answers.weights)
    assert fallen > 2
    assert nats(base, questions) - nats(decoder, questions) < fallen / 2
