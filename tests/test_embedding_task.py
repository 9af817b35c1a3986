"""Embedding alignment: which words are replaced, by what, and what the cosines are of."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from xlbarrier import api
from xlbarrier import config as config_lib
from xlbarrier import mesh as mesh_lib
from xlbarrier.config.corpus import TextConfig
from xlbarrier.config.tasks import EmbeddingConfig
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.data import tokenize
from xlbarrier.datafiles import DataError
from xlbarrier.scoring.embed import embed
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks import embedding
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.embedding import Embedding

PARAGRAPHS = (
    'Too short.',
    'The old house stands by the river, and a cat sleeps under its red roof all day.',
    'A dog, a cat and an old horse live in the house; the horse drinks from the river at night.',
    'Every day the cat walks to the river, looks at the water, and returns to the red house.',
)
WORDS = {
    'fr': dict(old='vieille', house='maison', river='rivière', cat='chat', roof='toit', dog='chien',
               horse='cheval', night='nuit', water='eau', day='jour', red='rouge', the='la'),
    'ru': dict(old='старый', house='дом', river='река', cat='кот', roof='крыша', dog='собака',
               horse='лошадь', night='ночь', water='вода', day='день', red='красный'),
    'zh': dict(old='老', house='房子', river='河', cat='猫', roof='屋顶', dog='狗', horse='马',
               night='夜晚', water='水', day='天', red='红'),
}  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """A config of files written here: texts, and word lists into three languages."""
    (tmp_path / 'text.txt').write_text('\n\n'.join(PARAGRAPHS), encoding='utf-8')
    for code, words in WORDS.items():
        lines = [f'{word}\t{new}' for word, new in words.items()]
        (tmp_path / f'en-{code}.tsv').write_text('\n'.join(lines), encoding='utf-8')
    return EmbeddingConfig(
        source=f'text:{tmp_path}/text.txt',
        languages=('fr', 'ru', 'zh'),
        translator=TranslatorConfig(place=f'{tmp_path}/{{source}}-{{target}}.tsv'),
        texts=3,
        words=14,
        rates=(0.1, 0.3, 0.9),
    )


def changed(made, **fields):
    return dataclasses.replace(made, **fields)


def test_texts_are_cut_to_the_same_number_of_words(made):
    texts = embedding.read(made, 'here')
    assert [len(t.spans) for t in texts] == [14] * 3
    assert texts[0].text == 'The old house stands by the river, and a cat sleeps under its red'
    assert texts[0].text[slice(*texts[0].spans[6])] == 'river'


def test_more_words_at_a_higher_rate_the_same_ones_first(made):
    for text in embedding.read(made, 'here'):
        for language in ('fr', 'ru', 'zh', 'mul'):
            few, some, all_ = (set(text.chosen(language, rate)) for rate in made.rates)
            assert few < some <= all_
            assert len(few) == 1 and len(some) == 4
            assert len(all_) == min(13, len(text.words[language]))
    again = [t.chosen('fr', 0.3) for t in embedding.read(made, 'here')]
    assert again == [t.chosen('fr', 0.3) for t in embedding.read(made, 'here')]
    other = [t.chosen('fr', 0.3) for t in embedding.read(changed(made, seed=1), 'here')]
    assert again != other


def test_a_mixed_text_by_hand(made):
    text = embedding.read(made, 'here')[0]
    assert text.mixed('fr', 1.0) == (
        'La vieille maison stands by la rivière, and a chat sleeps under its rouge'
    )
    assert text.mixed('zh', 1.0) == 'The 老 房子 stands by the 河, and a 猫 sleeps under its 红'


def test_several_languages_take_a_drawn_one_for_each_word(made):
    texts = embedding.read(changed(made, seed=5), 'here')
    scripts = set()
    for text in texts:
        for number, new in text.words['mul'].items():
            assert new in {text.words[code].get(number) for code in made.languages}
            scripts |= {code for code in made.languages if text.words[code].get(number) == new}
    assert scripts == {'fr', 'ru', 'zh'}


def test_words_of_a_script_without_spaces_are_set_off(tmp_path, made):
    (tmp_path / 'zh.txt').write_text('老房子在河边，猫在红屋顶下睡觉。', encoding='utf-8')
    lines = [f'{new}\t{word}' for word, new in WORDS['zh'].items()]
    (tmp_path / 'zh-en.tsv').write_text('\n'.join(lines), encoding='utf-8')
    config = changed(
        made,
        source=f'text:{tmp_path}/zh.txt',
        text=TextConfig(language='zh'),
        languages=('en',),
        texts=1,
        words=5,
    )
    config = changed(config, texts=1)
    (text,) = embedding.read(config, 'here')
    mixed = text.mixed('en', 1.0, embedding.padding('zh', 'en'))
    assert ' house ' in mixed or ' old ' in mixed
    assert embedding.padding('en', 'zh') == embedding.padding('en', 'fr') == ''


def test_the_control_differs_only_where_words_are_replaced(made, tokenizer):
    vocabulary = embedding.ordinary_tokens(tokenizer)
    assert not set(vocabulary) & set(tokenizer.all_special_ids)
    text = embedding.read(made, 'here')[0]
    found = embedding.passages(text, tokenizer, made, vocabulary)
    assert list(found)[:4] == [('fr', 0.1), ('fr', 0.3), ('fr', 0.9), ('ru', 0.1)]
    ids, spans, skip = tokenize.encode_located(tokenizer, text.text)
    for (language, rate), (plain, mixed, control) in found.items():
        assert plain.tokens == tuple(ids) and plain.skip == skip
        assert tokenizer.decode(mixed.tokens) == text.mixed(language, rate)
        touched = {
            place
            for place, (a, b) in enumerate(spans, start=skip)
            for number in text.chosen(language, rate)
            if a < text.spans[number][1] and text.spans[number][0] < b
        }
        differing = {i for i, (x, y) in enumerate(zip(ids, control.tokens, strict=True)) if x != y}
        assert differing == touched and touched
    few, many = found['fr', 0.1][2].tokens, found['fr', 0.9][2].tokens
    same = [a == b for a, b, c in zip(few, many, ids, strict=True) if a != c]
    assert same and all(same)  # a place draws one token, whatever the rate


def test_the_second_control_leaves_out_the_tokens_that_the_first_replaces(made, model, tmp_path):
    made = changed(made, texts=2, languages=('fr',), rates=(0.3, 1.0), dropped=True)
    vocabulary = embedding.ordinary_tokens(model.tokenizer)
    text = embedding.read(made, 'here')[0]
    for plain, _, control, dropped in embedding.passages(
        text, model.tokenizer, made, vocabulary
    ).values():
        pairs = zip(plain.tokens, control.tokens, strict=True)
        assert dropped.tokens == tuple(a for a, b in pairs if a == b)
    # Everything replaced: one token is left, or the mean would be of nothing.
    words = dataclasses.replace(text, text='old house', spans=((0, 3), (4, 9)))
    words = dataclasses.replace(words, words={'fr': {0: 'x', 1: 'y'}}, order=(0, 1))
    found = embedding.passages(words, model.tokenizer, made, vocabulary)['fr', 1.0]
    assert found[3].tokens == found[0].tokens[:1]
    task = Embedding(made)
    tables = measured(task, model, tmp_path)
    rows = {
        r['metric']: r
        for r in task.rows(tables, draws=100, seed=0)
        if (r['variant'], r['method']) == ('mixing:0.3', 'mean_hidden:last')
    }
    near, far = (
        np.array([r[name][-1] for r in tables['mixing', 'fr'].to_pylist() if r['rate'] == 0.3])
        for name in ('cosine_mixed', 'cosine_dropped')
    )
    assert rows['cosine_dropped']['value'] == pytest.approx(far.mean())
    assert rows['auc_dropped']['value'] == np.mean(
        (near[:, None] > far) + 0.5 * (near[:, None] == far)
    )


def test_letters_of_several_tokens_are_replaced_whole(tokenizer):
    """SmolLM2 has no token of most Chinese letters: their bytes share a place."""
    ids, spans, skip = tokenize.encode_located(tokenizer, '猫 a 河')
    assert skip == 0 and len(ids) > 4
    assert {span for span in spans if span[0] == 0} == {(0, 1)}
    assert sum(span == (0, 1) for span in spans) > 1


@pytest.fixture(scope='module')
def model(tiny_llama):
    return api.load_model(tiny_llama)


def measured(task, model, folder, store=None):
    task.measure(Asked('base', model.decoder, model.tokenizer, model.mesh, folder, store))
    paths = sorted((folder / task.name).glob('*.parquet'))
    return {tuple(p.stem.split('.', 1)): pq.read_table(p) for p in paths}


def test_a_model_is_measured_on_eight_devices(made, model, tiny_llama, tmp_path):
    task = Embedding(made)
    tables = measured(task, model, tmp_path / 'a')
    assert set(tables) == {('mixing', code) for code in ('fr', 'ru', 'zh', 'mul')}
    rows = task.rows(tables, draws=100, seed=0)
    depths = model.config.num_layers + 1
    assert len(rows) == 4 * 3 * (1 + 3 * depths)
    kept = {(r['variant'], r['language'], r['method'], r['metric']): r for r in rows}
    assert len(kept) == len(rows)
    share = kept['mixing:0.3', 'fr', 'mean_hidden', 'share_replaced']
    assert share['value'] == pytest.approx(4 / 14)
    for rate in made.rates:
        first = kept[f'mixing:{rate:g}', 'fr', 'mean_hidden:0', 'cosine_mixed']
        assert -1 <= first['ci_low'] <= first['value'] <= first['ci_high'] <= 1
        auc = kept[f'mixing:{rate:g}', 'fr', 'mean_hidden:last', 'auc']
        assert 0 <= auc['value'] <= 1 and auc['chance'] == 0.5 and auc['n'] == 6
    # Random weights: the more is replaced, the farther away.
    near, far = (kept[f'mixing:{r}', 'fr', 'mean_hidden:last', 'cosine_mixed'] for r in (0.1, 0.9))
    assert near['value'] > far['value']
    mesh = mesh_lib.make_mesh(2, 2, 2)
    split = api.load_model(tiny_llama, mesh=mesh)
    again = measured(task, split, tmp_path / 'b')
    for sheet, table in tables.items():
        for name in ('cosine_mixed', 'cosine_control'):
            ours, theirs = (np.array(t[name].to_pylist()) for t in (table, again[sheet]))
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_text_has_the_same_cosines_whatever_else_is_asked(made, model, tmp_path, monkeypatch):
    tables = measured(Embedding(made), model, tmp_path / 'a')
    monkeypatch.setattr(embedding, 'HELD_BYTES', 1)  # a text at a time
    assert measured(Embedding(made), model, tmp_path / 'c') == tables
    alone = changed(made, texts=2, languages=('zh',), rates=(0.3,))
    few = measured(Embedding(alone), model, tmp_path / 'b')['mixing', 'zh']
    kept = {(r['id'], r['rate']): r for r in tables['mixing', 'zh'].to_pylist()}
    for row in few.to_pylist():
        assert row == kept[row['id'], row['rate']]


def test_a_killed_run_computes_only_what_it_has_not_stored(made, model, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, 'TOGETHER', 1)
    whole = measured(Embedding(made), model, tmp_path / 'whole')
    asked_of, until = [], [2]

    def counted(decoder, passages, **kwargs):
        if len(asked_of) == until[0]:
            raise KeyboardInterrupt
        asked_of.append(len(passages))
        return embed(decoder, passages, **kwargs)

    monkeypatch.setattr('xlbarrier.scoring.embed.embed', counted)
    for end, wanted in ((2, 2), (9, 3)):  # killed at the third text; then to the end
        until[0] = end
        with ScoreStore(tmp_path / 'scores.sqlite', model.fingerprint) as store:
            try:
                tables = measured(Embedding(made), model, tmp_path / 'again', store)
            except KeyboardInterrupt:
                assert not (tmp_path / 'again').exists()
        assert len(asked_of) == wanted
    assert tables == whole
    # Another mean, other weights: nothing of it is known.
    for fields, fingerprint in (({'skip': 1}, model.fingerprint), ({}, 'others')):
        until[0] = len(asked_of) + 3
        with ScoreStore(tmp_path / 'scores.sqlite', fingerprint) as store:
            measured(Embedding(changed(made, **fields)), model, tmp_path / 'other', store)
        assert len(asked_of) == until[0]


def test_tokens_at_the_start_can_be_left_out_of_the_mean(made, model, tokenizer):
    text, vocabulary = embedding.read(made, 'here')[0], embedding.ordinary_tokens(tokenizer)
    plain = embedding.passages(text, tokenizer, made, vocabulary)['fr', 0.3]
    later = embedding.passages(text, tokenizer, changed(made, skip=2), vocabulary)['fr', 0.3]
    assert [p.tokens for p in plain] == [p.tokens for p in later]
    assert [p.skip for p in plain] == [0] * 3 and [p.skip for p in later] == [2] * 3
    whole, part = embed(model.decoder, [plain[0], later[0]], mesh=model.mesh)
    assert not np.allclose(whole, part)


def test_prompts_hold_the_mixed_texts(made):
    task = Embedding(made)
    sheets = dict(task.prompts(None))
    assert [len(rows) for rows in sheets.values()] == [9] * 4
    first = sheets['mixing', 'fr'][0]
    assert first['label'].startswith('The old house') and first['prompt'] != first['label']


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        (dict(texts=4), 'has 3 paragraphs of at least 14 words'),
        (dict(words=90), 'has 0 paragraphs of at least 90 words'),
        (dict(languages=('de',)), 'no translator for en-de'),
    ],
)
def test_files_that_will_not_do(made, fields, words):
    with pytest.raises((DataError, ValueError), match=words):
        Embedding(changed(made, **fields))


def test_a_text_without_a_word_in_the_list_is_told(made, tmp_path):
    (tmp_path / 'text.txt').write_text('One two three four five.', encoding='utf-8')
    with pytest.raises(DataError, match=r'no word of the paragraph 0 of .* into fr'):
        Embedding(changed(made, texts=1, words=4))


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        (dict(source=''), r'config.tasks.embedding.source is empty'),
        (dict(rates=(0.1, 1.5)), r'rates\[1\] is 1.5; expected 0 < rates\[1\] <= 1'),
        (dict(rates=()), 'rates is'),
        (dict(languages=('en',)), 'languages has en, which is the language of the text'),
        (dict(languages=('fr', 'fr')), 'none of them twice'),
        (dict(texts=1), 'texts is 1; expected at least 2'),
        (dict(translator={}), 'translator.place is empty'),
        (dict(methods=('letter',)), 'expected mean_hidden'),
    ],
)
def test_configs_that_will_not_do(fields, words):
    values = dict(source='text:a.txt', translator=dict(place='x')) | fields
    values = {'mode': 'eval', 'model': {'source': 'x'}, 'tasks': {'embedding': values}}
    with pytest.raises(config_lib.ConfigError, match=words):
        config_lib.resolve(values)
