"""lm-evaluation-harness through our model class, on a tiny model; compared with running text.

`launch/test.sh` runs this module in the environment that has lm_eval: nothing here may need torch.
benchmarks/lm_eval_parity.py compares a real model with the harness's own `hf`.
"""

import json
import sys

import numpy as np
import pytest

pytest.importorskip('lm_eval')

import lm_eval
import tokenizers
import transformers
from lm_eval.api.instance import Instance

import xlbarrier as xb
from xlbarrier import main
from xlbarrier import mesh as mesh_lib
from xlbarrier.errors import InputError
from xlbarrier.integrations.lm_eval import XlbarrierLM
from xlbarrier.models import load
from xlbarrier.models.config import DecoderConfig

POSITIONS = 48
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('no system') }}{% endif %}[{{ m['role'] }}] {{ m['content'] }} "
    '{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}'
)
TEXTS = ('Capital of France? Answer:', 'فرنسا عاصمتها', '法国的首都是', 'फ़्रांस की राजधानी', 'a ')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A random one-layer Llama whose tokens are bytes, with BOS before every text."""
    place = tmp_path_factory.mktemp('tiny')
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: n for n, text in enumerate(['<s>', '</s>', *alphabet])}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single='<s> $A', special_tokens=[('<s>', 0)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token='<s>', eos_token='</s>', chat_template=TEMPLATE
    )
    config = DecoderConfig(
        family='llama', vocab_size=258, num_layers=1, d_model=32, num_heads=2, num_kv_heads=2,
        head_dim=16, d_ff=32, norm_eps=1e-5, tied=False, max_positions=POSITIONS, bos_id=0,
        eos_id=1,
    )  # fmt: skip
    decoder = load.init_decoder(config, mesh_lib.make_mesh())
    load.export_hf(decoder, place, tokenizer=tokenizer)
    return place


@pytest.fixture(scope='module')
def lm(folder):
    return XlbarrierLM(source=str(folder), store=str(folder / 'stored/scores.sqlite'))


def asked(kind, *arguments):
    return [Instance(kind, {}, args, n) for n, args in enumerate(arguments)]


def log_probabilities(lm, ids):
    logits = xb.logits(lm.model, [ids])[0].astype(np.float64)
    return logits - np.logaddexp.reduce(logits, -1, keepdims=True)


def by_hand(lm, context, continuation):
    """Log-likelihood, and whether it is the likeliest, from logits at every position."""
    ids = context + continuation
    values = log_probabilities(lm, ids)[len(context) - 1 : -1]
    picked = values[np.arange(len(continuation)), continuation]
    return picked.sum(), bool((values.argmax(-1) == continuation).all())


def test_pairs_are_split_and_cut_as_the_harness_does(lm):
    pairs = [(text, ' Paris') for text in TEXTS] + [('', 'x'), ('long ' * 20, 'end')]
    got = lm.loglikelihood(asked('loglikelihood', *pairs), disable_tqdm=True)
    encode = lm.tokenizer.encode
    for (context, continuation), (value, greedy) in zip(pairs, got, strict=True):
        bare = context.rstrip()
        whole, start = encode(context + continuation), len(encode(bare))
        if not context:
            whole, start = [0, *encode('x', add_special_tokens=False)], 1
        kept = whole[:start][-(POSITIONS + 1 - len(whole[start:])) :]
        value_by_hand, greedy_by_hand = by_hand(lm, kept, whole[start:])
        assert value == pytest.approx(value_by_hand, abs=1e-4)
        assert greedy == greedy_by_hand
    again = lm.loglikelihood(asked('loglikelihood', *pairs), disable_tqdm=True)
    assert again == got  # from the store


def test_a_long_text_is_scored_in_windows(lm):
    text = 'The quick brown fox jumps over the lazy dog, 狐狸 twice or more, and sleeps.'
    ids = lm.tokenizer.encode(text)
    assert POSITIONS < len(ids) < 2 * POSITIONS
    first, _ = by_hand(lm, [0], ids[:POSITIONS])
    tail = ids[POSITIONS:]
    context = ids[len(ids) - POSITIONS - 1 : POSITIONS]
    second, _ = by_hand(lm, context, tail)
    (got,) = lm.loglikelihood_rolling(asked('loglikelihood_rolling', (text,)))
    assert got == pytest.approx(first + second, abs=1e-3)


def test_texts_are_written_greedily_up_to_a_stop_string(lm):
    until = {'until': ['\n\n'], 'max_gen_toks': 6}
    contexts = ['Capital of France?', 'a much longer context ' * 4]
    got = lm.generate_until(asked('generate_until', *((text, until) for text in contexts)))
    for context, written in zip(contexts, got, strict=True):
        ids = lm.tokenizer.encode(context)[-(POSITIONS - 6) :]
        for _ in range(6):
            ids.append(int(log_probabilities(lm, ids)[-1].argmax()))
        assert written == lm.tokenizer.decode(ids[-6:], skip_special_tokens=True)
    stop = got[0][2]
    (cut,) = lm.generate_until(
        asked('generate_until', (contexts[0], {'until': stop, 'max_gen_toks': 6}))
    )
    assert cut == got[0].split(stop)[0]
    with pytest.raises(InputError, match='do_sample=false'):
        lm.generate_until(asked('generate_until', ('a', {'do_sample': True, 'temperature': 1})))


def test_a_template_that_refuses_a_system_turn_is_asked_without_it(lm):
    history = [{'role': 'system', 'content': 'S'}, {'role': 'user', 'content': 'Hi'}]
    text = lm.apply_chat_template(history)
    assert text == '<s>[user] Hi [assistant]'
    assert lm.tok_encode(text)[:2] != [0, 0]  # BOS once


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'source': ''}, 'source=hf:ORG/NAME'),
        ({'max_length': 1000}, 'takes 1 to 48 tokens'),
        ({'enable_thinking': True}, 'think_end_token'),
    ],
)
def test_arguments_that_cannot_be_used_are_named(folder, changes, words):
    with pytest.raises(InputError, match=words):
        XlbarrierLM(**{'source': str(folder)} | changes)


TASK = """
task: capitals
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}, validation: {data}}}}}
output_type: multiple_choice
test_split: test
fewshot_split: validation
doc_to_text: "Q: {{{{question}}}}\\nA:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
metric_list: [{{metric: acc}}]
"""


def test_the_command_runs_a_task_and_writes_the_harness_s_files(folder, tmp_path, monkeypatch):
    rows = [{'question': f'{n}?', 'choices': ['x', 'yy', 'z'], 'answer': n % 3} for n in range(5)]
    data = tmp_path / 'rows.jsonl'
    data.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    (tmp_path / 'tasks').mkdir()
    (tmp_path / 'tasks/capitals.yaml').write_text(TASK.format(data=data))
    monkeypatch.setattr(
        sys, 'argv', ['xlbarrier', 'lm-eval', '--model_args', f'source={folder},dtype=float32',
                      '--tasks', 'capitals', '--include_path', str(tmp_path / 'tasks'),
                      '--num_fewshot', '1', '--output_path', str(tmp_path / 'out'),
                      '--log_samples', '--limit', '4'],
    )  # fmt: skip
    main.main(sys.argv)
    (results,) = (tmp_path / 'out').rglob('results_*.json')
    found = json.loads(results.read_text())
    assert found['config']['model'] == 'xlbarrier' and found['n-shot'] == {'capitals': 1}
    (samples,) = (tmp_path / 'out').rglob('samples_capitals_*.jsonl')
    written = [json.loads(line) for line in samples.read_text().splitlines()]
    assert len(written) == 4
    accuracy = np.mean([sample['acc'] for sample in written])
    assert found['results']['capitals']['acc,none'] == pytest.approx(accuracy)
    assert lm_eval.api.registry.get_model('xlbarrier') is XlbarrierLM


def test_the_harness_reads_the_results_that_a_run_writes(tmp_path):
    from lm_eval.utils import make_table

    from tests import report_run, test_lm_eval_files
    from xlbarrier.report import lm_eval_files
    from xlbarrier.results.run import result_rows

    made = report_run.predictions(('base',), questions=8)
    config, record = test_lm_eval_files.CONFIG, test_lm_eval_files.RECORD
    lm_eval_files.write(tmp_path, result_rows(made, draws=100), made, config, record)
    (path,) = tmp_path.rglob('results_*.json')
    table = make_table(json.loads(path.read_text()))
    assert 'worldfacts_full_ar' in table and 'acc_norm' in table
