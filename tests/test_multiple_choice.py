"""Asking a task: recorded answers against torch, the letter's token, prompts and their digests."""

import hashlib
import json

import jax
import pyarrow.parquet as pq
import pytest
import torch
from transformers import LlamaForCausalLM

from xlbarrier import mesh as mesh_lib
from xlbarrier.config import ScoreConfig
from xlbarrier.errors import RunError
from xlbarrier.models import load
from xlbarrier.modes.prompts import write_prompts
from xlbarrier.scoring import engine
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks import asked as asked_lib
from xlbarrier.tasks import prompts
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import Question, sheets
from xlbarrier.tasks.multiple_choice import MultipleChoice

# Two items, row-aligned; right to left, no spaces, combining marks; options of ragged lengths.
WORDS = {
    'en': (
        ('In which country is Cairo?', ('Egypt', 'France', 'Japan', 'India')),
        ('In which country is Lyon?', ('The Netherlands', 'Egypt', 'Spain', 'France')),
    ),
    'ar': (
        ('في أي بلد تقع القاهرة؟', ('مصر', 'فرنسا', 'اليابان', 'الهند')),
        ('في أي بلد تقع ليون؟', ('هولندا', 'مصر', 'إسبانيا', 'فرنسا')),
    ),
    'zh': (
        ('开罗位于哪个国家？', ('埃及', '法国', '日本', '印度')),
        ('里昂位于哪个国家？', ('荷兰', '埃及', '西班牙', '法国')),
    ),
    'hi': (
        ('काहिरा किस देश में है?', ('मिस्र', 'फ़्रांस', 'जापान', 'भारत')),
        ('ल्योन किस देश में है?', ('नीदरलैंड', 'मिस्र', 'स्पेन', 'फ़्रांस')),
    ),
}
ANSWERS = (0, 3)
METHODS = ('loglikelihood', 'letter')


class Countries(MultipleChoice):
    """A task of the four languages above."""

    name = 'countries'
    methods = METHODS
    languages = tuple(WORDS)
    variants = ('english', 'full', 'options', 'mixup')

    def sheets(self):
        return sheets(self.variants, self.languages)

    def questions(self, variant, language):
        made = []
        for row, answer in enumerate(ANSWERS):
            asked = {'full': language, 'mixup': language}.get(variant, 'en')
            order = self.languages
            start = order.index(language)
            spoken = {
                'english': ['en'] * 4,
                'full': [language] * 4,
                'options': [language] * 4,
                'mixup': [order[(start + k) % 4] for k in range(4)],
            }[variant]
            choices = tuple(WORDS[code][row][1][k] for k, code in enumerate(spoken))
            question = WORDS[asked][row][0]
            made.append(
                Question(f'c{row}', question, choices, answer, asked, tuple(spoken), 'city')
            )
        return made


def measure(task, decoder, tokenizer, mesh, folder, methods, *, store=None, **sizes):
    """Asks a task; the path of each sheet."""
    task.methods = methods
    score = ScoreConfig(**{'row_tokens': 128, **sizes})
    task.measure(Asked('model', decoder, tokenizer, mesh, folder, store, score))
    return {sheet: folder / task.name / '{}.{}.parquet'.format(*sheet) for sheet in task.sheets()}


@pytest.fixture(scope='module')
def mesh():
    return mesh_lib.make_mesh(devices=jax.devices()[:2])


@pytest.fixture(scope='module')
def decoder(tiny_llama, mesh):
    return load.load_decoder(tiny_llama, mesh)


@pytest.fixture(scope='module')
def ask(decoder, tokenizer, mesh):
    def ask(folder, task=None, methods=METHODS, store=None, **sizes):
        return measure(
            task or Countries(), decoder, tokenizer, mesh, folder, methods, store=store, **sizes
        )

    return ask


@pytest.fixture(scope='module')
def written(ask, tmp_path_factory):
    paths = ask(tmp_path_factory.mktemp('predictions'))
    return {sheet: pq.read_table(path).to_pylist() for sheet, path in paths.items()}, paths


@pytest.fixture(scope='module')
def torch_score(tiny_llama, tokenizer):
    model = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()

    def score(context, continuation=None, token=None):
        start = len(tokenizer(context)['input_ids'])
        ids = tokenizer(context + (continuation or ''))['input_ids']
        ids = ids if token is None else [*ids, token]
        with torch.no_grad():
            steps = model(torch.tensor([ids])).logits[0, start - 1 : -1].log_softmax(-1)
        return steps.gather(-1, torch.tensor(ids[start:])[:, None]).sum().item()

    return score


def test_a_file_for_each_variant_and_language(written):
    rows, paths = written
    assert set(rows) == {
        ('english', 'en'),
        *((variant, code) for variant in ('full', 'options', 'mixup') for code in WORDS),
    }
    for (variant, language), path in paths.items():
        assert path.parts[-2:] == ('countries', f'{variant}.{language}.parquet')
        assert [row['id'] for row in rows[variant, language]] == ['c0', 'c1']


def test_columns_are_those_of_the_run_folder(written):
    schema = pq.read_schema(written[1]['full', 'ar'])
    assert schema.names == [
        *('id', 'language', 'question_language', 'choice_languages', 'prompt_sha256', 'method'),
        *('scores', 'prediction', 'answer', 'correct', 'subject', 'question', 'choices'),
        *('choice_tokens', 'unconditional_scores'),
        *(f'prediction_{name}' for name in ('raw', 'char', 'byte', 'token', 'pmi')),
        *('letter_scores', 'letter_prediction'),
    ]
    assert str(schema.field('scores').type) == 'list<element: double>'
    assert str(schema.field('choice_languages').type) == 'list<element: string>'


def test_scores_are_torchs_in_every_language(written, torch_score, tokenizer):
    for number, (variant, language) in enumerate(
        [('full', 'en'), ('full', 'ar'), ('full', 'zh'), ('full', 'hi'), ('mixup', 'ar')]
    ):
        question = Countries().questions(variant, language)[number % 2]
        row = written[0][variant, language][number % 2]
        asked = prompts.render(question, 'loglikelihood')
        expected = [torch_score(asked.context, c) for c in asked.continuations]
        assert row['scores'] == pytest.approx(expected, abs=1e-3)
        bare = [torch_score(asked.unconditional, c) for c in asked.continuations]
        assert row['unconditional_scores'] == pytest.approx(bare, abs=1e-3)
        lettered = prompts.render(question, 'letter')
        letters = [torch_score(lettered.context, c) for c in lettered.continuations]
        assert row['letter_scores'] == pytest.approx(letters, abs=1e-3)
        cut = len(tokenizer(asked.context)['input_ids'])
        assert row['choice_tokens'] == [
            len(tokenizer(asked.context + c)['input_ids']) - cut for c in asked.continuations
        ]


def best(values):
    return max(range(len(values)), key=values.__getitem__)


def test_predictions_follow_from_the_scores(written):
    for (_, language), rows in written[0].items():
        for number, row in enumerate(rows):
            scores, choices = row['scores'], row['choices']
            assert row['method'] == 'loglikelihood' and row['language'] == language
            assert row['answer'] == ANSWERS[number]
            assert row['prediction'] == row['prediction_raw'] == best(scores)
            assert row['correct'] == (row['prediction'] == row['answer'])
            lengths = {
                'char': [len(c) for c in choices],
                'byte': [len(c.encode()) for c in choices],
                'token': row['choice_tokens'],
            }
            for name, length in lengths.items():
                normal = [s / n for s, n in zip(scores, length, strict=True)]
                assert row[f'prediction_{name}'] == best(normal)
            pmi = [s - u for s, u in zip(scores, row['unconditional_scores'], strict=True)]
            assert row['prediction_pmi'] == best(pmi)
            assert row['letter_prediction'] == best(row['letter_scores'])


def test_languages_of_a_sheet_of_the_question_and_of_the_options(written):
    rows = written[0]
    assert rows['english', 'en'][0]['choice_languages'] == ['en'] * 4
    options = rows['options', 'hi'][1]
    assert (options['language'], options['question_language']) == ('hi', 'en')
    assert options['question'] == 'In which country is Lyon?' and options['choices'][3] == 'फ़्रांस'
    mixed = rows['mixup', 'zh'][0]
    assert mixed['choice_languages'] == ['zh', 'hi', 'en', 'ar']
    assert mixed['choices'] == ['埃及', 'फ़्रांस', 'Japan', 'الهند']


def test_the_digest_is_of_the_context(written):
    row = written[0]['full', 'zh'][0]
    context = '问题：开罗位于哪个国家？\n答案：'
    assert row['prompt_sha256'] == hashlib.sha256(context.encode()).hexdigest()
    assert row['prompt_sha256'] == written[0]['mixup', 'zh'][0]['prompt_sha256']


def test_the_first_method_is_the_primary_one(ask, written, tmp_path):
    paths = ask(tmp_path, methods=('letter', 'loglikelihood'))
    for sheet, path in paths.items():
        for row, other in zip(pq.read_table(path).to_pylist(), written[0][sheet], strict=True):
            assert row['method'] == 'letter'
            assert row['scores'] == row['letter_scores'] == other['letter_scores']
            assert row['prediction'] == row['letter_prediction']
            assert row['prediction_raw'] == other['prediction_raw']
            assert row['prompt_sha256'] != other['prompt_sha256']


def test_one_method_has_no_columns_of_the_other(ask, tmp_path):
    paths = ask(tmp_path, methods=('letter',))
    names = pq.read_schema(paths['full', 'en']).names
    assert 'letter_scores' in names and 'choice_tokens' not in names


def test_a_published_letter_is_the_bare_letters_last_token(
    ask, written, torch_score, tokenizer, tmp_path
):
    paths = ask(tmp_path, methods=('letter',), letter_tokens='published')
    row = pq.read_table(paths['full', 'en']).to_pylist()[0]
    context = prompts.render(Countries().questions('full', 'en')[0], 'letter').context
    bare = [tokenizer(letter, add_special_tokens=False)['input_ids'][-1] for letter in 'ABCD']
    natural = [tokenizer(f' {letter}', add_special_tokens=False)['input_ids'] for letter in 'ABCD']
    assert [[token] for token in bare] != natural
    expected = [torch_score(context, token=token) for token in bare]
    assert row['letter_scores'] == pytest.approx(expected, abs=1e-3)
    assert row['letter_scores'] != pytest.approx(written[0]['full', 'en'][0]['letter_scores'])


def test_all_variants_and_languages_are_one_plan(ask, tmp_path, monkeypatch):
    seen, real = [], engine.score

    def spy(decoder, requests, **options):
        seen.append(requests)
        return real(decoder, requests, **options)

    monkeypatch.setattr(engine, 'score', spy)
    ask(tmp_path)
    (requests,) = seen
    # 13 sheets of 2 questions: 4 options, their unconditional scores, and 4 letters.
    assert len(requests) == 13 * 2 * 12
    assert len(set(requests)) < len(requests)  # english and full.en are the same questions


def test_a_second_asking_takes_everything_from_the_store(ask, written, tmp_path, monkeypatch):
    with ScoreStore(tmp_path / 's.sqlite', 'tiny') as store:
        ask(tmp_path / 'one', store=store)
        monkeypatch.setattr(engine, 'score_rows', None)  # computing anything would fail
        paths = ask(tmp_path / 'two', store=store)
    assert {s: pq.read_table(p).to_pylist() for s, p in paths.items()} == written[0]


def test_a_write_that_fails_names_the_file_and_leaves_no_half(ask, tmp_path, monkeypatch):
    (tmp_path / 'countries').mkdir()
    kept = tmp_path / 'countries' / 'english.en.parquet'
    kept.write_bytes(b'from before')

    def full(table, path):
        path.write_bytes(b'PAR1 half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(asked_lib.pq, 'write_table', full)
    with pytest.raises(RunError, match=r'english\.en\.parquet: No space left on device'):
        ask(tmp_path)
    assert [p.name for p in (tmp_path / 'countries').iterdir()] == ['english.en.parquet']
    assert kept.read_bytes() == b'from before'


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'methods': ('loglikelihod',)}, 'loglikelihod'),
        ({'methods': ()}, 'expected some of'),
        ({'methods': ('letter', 'letter')}, 'once'),
        ({'letter_tokens': 'nature'}, "letter_tokens is 'nature'"),
    ],
)
def test_what_is_not_known_is_refused(ask, tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        ask(tmp_path, **options)


def test_a_question_that_cannot_be_scored_is_named(ask, tmp_path):
    class Broken(Countries):
        variants = ('full',)

        def questions(self, variant, language):
            return [Question('q7', 'Which?', ('a', 'b'), 0, 'xx', ('xx', 'xx'), 's')]

    with pytest.raises(ValueError, match=r"question q7 in xx.*'xx'"):
        ask(tmp_path, task=Broken())


def test_write_prompts_says_what_would_be_asked(tmp_path):
    paths = write_prompts(Countries(), tmp_path)
    assert len(paths) == 13
    lines = (tmp_path / 'countries' / 'options.ar.jsonl').read_text(encoding='utf-8').splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(r['row'], r['id'], r['method']) for r in rows] == [
        (row, f'c{row}', method) for row in (0, 1) for method in METHODS
    ]
    for row in rows:
        assert list(row) == [
            *('task', 'subject', 'row', 'id', 'variant', 'language', 'shots', 'demos'),
            *('intervention', 'method', 'label', 'sha256', 'prompt'),
        ]
        assert (row['task'], row['subject'], row['variant']) == ('countries', 'city', 'options')
        assert row['language'] == 'ar'  # the file's, though the question is in English
        assert (row['shots'], row['demos'], row['intervention']) == (0, 'none', -1)
        assert row['sha256'] == hashlib.sha256(row['prompt'].encode()).hexdigest()
    assert [row['label'] for row in rows] == ['مصر', 'A', 'فرنسا', 'D']
    assert rows[1]['prompt'] == (
        'Question: In which country is Cairo?\nA. مصر\nB. فرنسا\nC. اليابان\nD. الهند\nAnswer:'
    )


def test_write_prompts_is_what_evaluate_asks(written, tmp_path):
    task = Countries()
    task.methods = ('loglikelihood',)
    write_prompts(task, tmp_path)
    for (variant, language), rows in written[0].items():
        path = tmp_path / 'countries' / f'{variant}.{language}.jsonl'
        prompts_ = [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]
        assert [p['sha256'] for p in prompts_] == [row['prompt_sha256'] for row in rows]
