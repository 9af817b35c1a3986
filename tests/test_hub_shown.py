"""Demonstrations of the hub's multiple-choice sets: of the published split, or never asked."""

import datasets
import pytest

from tests.hub_sets_made import jsonl, reading, repository
from tests.test_hub_sets import hub_rows, task
from xlbarrier.datafiles import DataError

SHOWN = {
    'global_mmlu': (
        'de', {}, 'letter',
        'dev en 0?\nA. en 0A0\nB. en 0B1\nC. en 0C2\nD. en 0D3\nAnswer: B\n\nde 0?\n',
    ),
    'global_mmlu_lite': (
        'de', {'demos': 'same'}, 'letter',
        'dev de 0?\nA. de 0A0\nB. de 0B1\nC. de 0C2\nD. de 0D3\nAnswer: B\n\nde 0?\n',
    ),
    # It has no split of its own for demonstrations: English ones are those of cais/mmlu.
    'mmmlu': ('sw', {}, 'letter',
              'en 0?\nA. en 0A\nB. en 0B\nC. en 0C\nD. en 0D\nAnswer: B\n\nSW_KE 0?'),
    'mmmlu_same': (
        'sw', {'demos': 'same'}, 'letter',
        'SW_KE 0?\nA. SW_KE 0A0\nB. SW_KE 0B1\nC. SW_KE 0C2\nD. SW_KE 0D3\nAnswer: B\n\nSW_KE 1?\n',
    ),
    'mmlu_prox': ('de', {'demos': 'same'}, 'loglikelihood',
                  'de 0?\nAnswer: de 0B9\n\nde 0?\nAnswer:'),
    'include': ('mk', {}, 'loglikelihood',
                'dev North Macedonian 0?\nAnswer: North Macedonian 0A0\n\nNorth Macedonian 0?'),
    'belebele': (
        'de', {}, 'letter',
        'P: eng_Latn passage\nQ: eng_Latn 0?\nA: eng_Latn 0A0\nB: eng_Latn 0B1\nC: eng_Latn 0C2\n'
        'D: eng_Latn 0D3\nAnswer: A\n\nP: deu_Latn text\nQ: deu_Latn 1?\n',
    ),
    'xstorycloze': ('my', {'demos': 'same'}, 'loglikelihood',
                    'my. S2. S3. S4. Bad.\n\nS1. S2. S3. S4.'),
    'polyfact': ('ja', {'demos': 'same'}, 'loglikelihood',
                 'Question: ja 1?\nAnswer: ja 1QD\n\nQuestion: ja 0?\nAnswer:'),
    'global_piqa': ('es', {'demos': 'same'}, 'loglikelihood',
                    'spa_latn_spai 0 spa_latn_spai a0\n\nspa_latn_spai 1'),
}  # fmt: skip


@pytest.mark.parametrize('name', SHOWN)
def test_demonstrations_are_of_the_published_split_or_are_not_asked(hub, name):
    language, fields, method, begins = SHOWN[name]
    name, first = name.removesuffix('_same'), name in ('mmmlu_same', 'belebele', 'global_piqa')
    made = task(name, languages=(language,), shots=1, **fields)
    question = made.questions('full', language)[0]
    prompt = made.render(question, method)
    assert prompt.context.startswith(begins)
    assert (prompt.shots, prompt.demos) == (1, made.config.demos)
    plain = task(name, languages=(language,))
    whole = [each.id for each in plain.questions('full', language)]
    asked = [each.id for each in made.questions('full', language)]
    assert asked == (whole[1:] if first else whole)
    bare = plain.render(plain.questions('full', language)[first], method)
    assert prompt.context.endswith(f'\n\n{bare.context}')
    assert (prompt.continuations, prompt.unconditional) == (bare.continuations, bare.unconditional)


def test_demonstrations_are_of_the_questions_subject_and_variant(hub):
    rows = {
        code: {
            split: [
                row | {'subject': subject, 'sample_id': f'{subject}/{split}/{row["sample_id"]}',
                       'question': f'{code} {subject} {split}?'}
                for subject in ('law', 'art') for row in hub_rows(code, range(2))
            ]
            for split in ('test', 'dev')
        }
        for code in ('en', 'de')
    }  # fmt: skip
    hub.repositories['datasets/org/subjects'] = repository(rows)
    made = task(
        'global_mmlu', source='hf:org/subjects', languages=('en', 'de'), shots=2, demos='same',
        variants=('full', 'mixup', 'question'),
    )  # fmt: skip
    for question in made.questions('question', 'de'):
        context = made.render(question, 'letter').context
        assert context.count(f'de {question.subject} dev?\nA. en a\n') == 2
        assert context.count('?') == 3
    question = made.questions('mixup', 'de')[0]
    shown, _, asked = made.render(question, 'letter').context.split('\n\n')
    assert {line[3:5] for line in shown.splitlines()[1:5]} == {'en', 'de'}
    assert asked.startswith('de law test?')


def test_a_folder_has_no_split_for_demonstrations(tmp_path, hub):
    for code in ('en', 'de'):
        (tmp_path / f'{code}.jsonl').write_bytes(jsonl(hub_rows(code, range(3))))
    made = task('global_mmlu', source=str(tmp_path), languages=('de',), shots=1, limit=1)
    (question,) = made.questions('full', 'de')
    assert question.id == 'i1' and made.render(question, 'letter').context.startswith(
        'en?\nA. en a'
    )


def test_a_folder_that_datasets_saved_may_have_one_split(tmp_path, hub):
    """Its rows would be the demonstrations and the questions."""
    for code in ('en', 'de'):
        datasets.Dataset.from_list(hub_rows(code, range(3))).save_to_disk(str(tmp_path / code))
    made = task(
        'global_mmlu',
        source=f'hf:{tmp_path}/{{language}}',
        languages=('de',),
        shots=1,
        demos='same',
    )
    assert [question.id for question in made.questions('full', 'de')] == ['i1', 'i2']


def test_nothing_is_asked_about_a_text_that_is_shown(tmp_path, hub):
    rows = [
        {**row, 'link': f'https://example.org/{n // 2}', 'question_number': n % 2 + 1,
         'flores_passage': f'passage {n // 2}'}
        for n, row in enumerate(reading('eng_Latn') * 2)
    ]  # fmt: skip
    (tmp_path / 'eng_Latn.jsonl').write_bytes(jsonl(rows))
    made = task('belebele', source=str(tmp_path), languages=('en',), shots=1)
    asked = made.questions('full', 'en')
    assert [question.meta['passage'] for question in asked] == ['passage 1'] * 2
    assert made.render(asked[0], 'letter').context.startswith('P: passage 0\nQ: ')


def test_subjects_that_are_only_shown_are_named(tmp_path, caplog):
    subjects = ('law', 'art', 'bio', 'bio')
    rows = [row | {'subject': s} for row, s in zip(hub_rows('en', range(4)), subjects, strict=True)]
    (tmp_path / 'en.jsonl').write_bytes(jsonl(rows))
    made = task('global_mmlu', source=str(tmp_path), languages=('en',), shots=1)
    assert [question.subject for question in made.questions('full', 'en')] == ['bio']
    assert 'all items of art, law in en are shown, none is asked' in caplog.text


def test_demonstrations_that_cannot_be(hub, tmp_path):
    with pytest.raises(DataError, match=r"shots is 3, and dev has 2 items of anatomy in 'en'"):
        task('global_mmlu', languages=('de',), shots=3)
    with pytest.raises(DataError, match=r"shots is 2, and all items in 'en' are shown: none"):
        task('belebele', languages=('de',), shots=2)
    with pytest.raises(DataError, match=r"global_piqa.demos is 'english'; the items of mrlben"):
        task('global_piqa', source='hf:mrlbenchmarks/global-piqa-nonparallel', shots=1)
    with pytest.raises(DataError, match=r"include.demos is 'english'; the items of CohereLabs"):
        task('include', languages=('de',), shots=1, demos='english')
    (tmp_path / 'de.jsonl').write_bytes(jsonl(hub_rows('de', range(3))))
    with pytest.raises(DataError, match=r"shots is 1 and demos is 'english'; demonstrations can"):
        task('global_mmlu', source=str(tmp_path), languages=('de',), shots=1)
    hub.repositories['datasets/org/one'] = repository({'de': {'test': hub_rows('de', range(3))}})
    with pytest.raises(DataError, match="no split 'dev'; it has test") as caught:
        task('global_mmlu', source='hf:org/one', languages=('de',), shots=1, demos='same')
    assert 'global_mmlu.shots is 1; demonstrations cannot be read: hf:' in str(caught.value)
