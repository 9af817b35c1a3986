"""Data sets by their id, from a server on the loopback interface that speaks the hub's API."""

import datasets
import pytest
from huggingface_hub import constants

from tests.hub_server import Repository, commit_of
from tests.hub_sets_made import repository
from xlbarrier.config.tasks import task_class
from xlbarrier.datafiles import DataError
from xlbarrier.tasks import hub as hub_room
from xlbarrier.tasks import registry
from xlbarrier.tasks.base import LeftOut


def task(name, **fields):
    return registry.TASKS[name](task_class(name, 'config.tasks')(**fields), name)


def of(name, *languages, **fields):
    """The first question of each language, as (question, options, right option)."""
    made = task(name, languages=languages, **fields)
    shown = {}
    for code in languages:
        question = made.questions('full', code)[0]
        shown[code] = (question.question, question.choices, question.choices[question.answer])
    return shown


# (task, its fields, languages, the last language's first question and its right option)
SETS = {
    'CohereLabs/Global-MMLU': ('global_mmlu', {}, 'en sw', ('sw 0?', 'sw 0B1')),
    'CohereLabs/Global-MMLU-Lite': ('global_mmlu_lite', {}, 'en de', ('de 0?', 'de 0B1')),
    'openai/MMMLU': ('mmmlu', {}, 'sw', ('SW_KE 0?', 'SW_KE 0B1')),
    'cais/mmlu': ('hub', {'source': 'hf:cais/mmlu'}, 'en', ('en 0?', 'en 0B')),
    'CohereLabs/include-base-44': (
        'include', {}, 'de mk', ('North Macedonian 0?', 'North Macedonian 0A0'),
    ),
    'li-lab/MMLU-ProX': ('mmlu_prox', {}, 'en de', ('de 0?', 'de 0B9')),
    'li-lab/MMLU-ProX-Lite': (
        'mmlu_prox', {'source': 'hf:li-lab/MMLU-ProX-Lite'}, 'de', ('de 0?', 'de 0B9'),
    ),
    'facebook/belebele': ('belebele', {}, 'en de sw', ('swh_Latn 0?', 'swh_Latn 0A0')),
    'cambridgeltl/xcopa': ('xcopa', {}, 'it', ('It rained.', 'Two.')),
    'mrlbenchmarks/global-piqa-parallel': (
        'global_piqa', {}, 'en es', ('spa_latn_spai 0', 'spa_latn_spai a0'),
    ),
    'mrlbenchmarks/global-piqa-nonparallel': (
        'global_piqa', {'source': 'hf:mrlbenchmarks/global-piqa-nonparallel'}, 'en es-PE',
        ('spa_latn_peru 0', 'spa_latn_peru a0'),
    ),
    'juletxara/xstory_cloze': ('xstorycloze', {}, 'en my', ('S1. S2. S3. S4.', 'Good.')),
    'jvonrad/PolyFact-Clean': ('polyfact', {}, 'en de ja', ('ja 0?', 'ja 0QB')),
    'JRQi/MMMLU': ('hub', {'source': 'hf:JRQi/MMMLU'}, 'en fr', ('fr?', 'fr two')),
    'JRQi/XCSQA': ('hub', {'source': 'hf:JRQi/XCSQA'}, 'en fr', ('fr?', 'fr two')),
    'JRQi/BMLAMA17': ('hub', {'source': 'hf:JRQi/BMLAMA17'}, 'en fr', ('fr?', 'fr two')),
    'INK-USC/xcsr': ('hub', {'source': 'hf:INK-USC/xcsr'}, 'en ja', ('jap?', 'jap B')),
    'cross-ling-know/HarryPotter-Quiz': ('hp_quiz', {}, 'en de', ('German?', 'German 0C2')),
}  # fmt: skip


@pytest.mark.parametrize('id_', SETS)
def test_a_set_is_read_by_its_id(hub, id_):
    name, fields, languages, expected = SETS[id_]
    codes = languages.split()
    question, choices, right = of(name, *codes, **fields)[codes[-1]]
    assert (question, right) == expected
    assert len(set(choices)) == len(choices) >= 2


def test_ten_options_and_fewer(hub):
    made = task('mmlu_prox', languages=('en', 'de'))
    first, second = made.questions('full', 'de')
    assert (len(first.choices), first.answer) == (10, 9)
    assert (len(second.choices), second.answer) == (7, 6)
    prompt = made.render(first, 'letter')
    assert prompt.context.endswith('\nI. de 0A8\nJ. de 0B9\nAnswer:')
    assert prompt.continuations[-1] == ' J'


def test_english_comes_from_another_id(hub):
    assert of('mmmlu', 'en', 'de') == {
        'en': ('en 0?', ('en 0A', 'en 0B', 'en 0C', 'en 0D'), 'en 0B'),
        'de': ('DE_DE 0?', ('DE_DE 0A0', 'DE_DE 0B1', 'DE_DE 0C2', 'DE_DE 0D3'), 'DE_DE 0B1'),
    }
    # The same for the task mmlu, whose mixup set is a CSV file for each subject.
    made = task(
        'mmlu', source='hf:openai/MMMLU:{language}', languages=('de', 'sw'), subjects=('anatomy',),
        variants=('english', 'full', 'mixup'), shots=1, mixup='hf:cross-ling-know/mixup-lang-mmlu',
    )  # fmt: skip
    (mixed, _) = made.questions('mixup', 'mul')
    assert (mixed.question, mixed.choices[1], mixed.answer) == ('mixed 0?', 'b, c', 1)
    assert made.render(made.questions('full', 'sw')[1], 'letter').context == (
        'The following are multiple choice questions (with answers) about  anatomy.\n\n'
        'en 0?\nA. en 0A\nB. en 0B\nC. en 0C\nD. en 0D\nAnswer: B\n\n'
        'SW_KE 1?\nA. SW_KE 1A0\nB. SW_KE 1B1\nC. SW_KE 1C2\nD. SW_KE 1D3\nAnswer:'
    )
    (question,) = task('xcopa', languages=('en', 'it')).questions('full', 'en')
    assert question.choices == ('One.', 'Two.')


def test_options_that_languages_shuffle_are_aligned_by_their_entities(hub):
    made = task('polyfact', languages=('en', 'de', 'ja'), variants=('full', 'mixup'))
    for code in ('en', 'de', 'ja'):
        assert [q.choices for q in made.questions('full', code)] == [
            tuple(f'{code} {n}{entity}' for entity in ('QA', 'QB', 'QC', 'QD')) for n in (0, 1)
        ]
        assert [q.answer for q in made.questions('full', code)] == [1, 3]
    mixed = made.questions('mixup', 'de')[0]
    assert [choice[-2:] for choice in mixed.choices] == ['QA', 'QB', 'QC', 'QD']


def test_prompts_are_those_of_the_harness(hub):
    def prompt(name, method, *languages, **fields):
        made = task(name, languages=languages, **fields)
        return made.render(made.questions('full', languages[0])[0], method)

    found = prompt('belebele', 'letter', 'en')
    assert found.context == (
        'P: eng_Latn passage\nQ: eng_Latn 0?\nA: eng_Latn 0A0\nB: eng_Latn 0B1\n'
        'C: eng_Latn 0C2\nD: eng_Latn 0D3\nAnswer:'
    )
    assert prompt('global_mmlu', 'letter', 'de').context == (
        'de 0?\nA. de 0A0\nB. de 0B1\nC. de 0C2\nD. de 0D3\nAnswer:'
    )
    story = prompt('xstorycloze', 'loglikelihood', 'en')
    assert (story.context, story.continuations) == ('S1. S2. S3. S4.', (' Bad.', ' Good.'))
    piqa = prompt('global_piqa', 'loglikelihood', 'en')
    assert (piqa.context, piqa.continuations[1]) == ('eng_latn 0', ' eng_latn b0')
    assert prompt('polyfact', 'loglikelihood', 'en').context == 'Question: en 0?\nAnswer:'
    copa = prompt('xcopa', 'loglikelihood', 'it', methods=('loglikelihood',))
    assert (copa.context, copa.continuations) == ('It rained perché', (' one.', ' two.'))


def test_sets_that_are_not_parallel_have_items_of_their_own(hub):
    made = task('include', languages=('de', 'mk'))
    assert [q.id for q in made.questions('full', 'mk')] == ['mk/0', 'mk/1']
    assert len(made.questions('full', 'de')) == 3
    with pytest.raises(DataError, match=r"include.variants is \('full', 'mixup'\)"):
        task('include', languages=('de',), variants=('full', 'mixup'))


def test_the_commit_is_recorded_and_can_be_pinned(hub):
    place = hub.repositories['datasets/CohereLabs/Global-MMLU']
    old = repository({c: {'test': [{'question': 'old'}]} for c in ('en', 'de')}).files
    place.others['old'] = old
    with hub_room.recording() as commits:
        of('global_mmlu', 'en', 'de')
        with pytest.raises(DataError, match="old:de test has no column 'option_a', 'option_b'"):
            of('global_mmlu', 'de', source='hf:CohereLabs/Global-MMLU@old')
    assert commits == {
        'CohereLabs/Global-MMLU': commit_of(place.files),
        'CohereLabs/Global-MMLU@old': commit_of(old),
    }


def test_without_a_network_the_cache_answers(hub, monkeypatch):
    of('global_mmlu', 'en', 'de')
    for module in (constants, datasets.config):
        monkeypatch.setattr(module, 'HF_HUB_OFFLINE', True)
    count = len(hub.asked)
    assert of('global_mmlu', 'de')['de'][0] == 'de 0?'
    with pytest.raises(DataError, match='HF_HUB_OFFLINE=1'):
        of('global_mmlu', 'de', source='hf:CohereLabs/Global-MMLU@v9')
    assert len(hub.asked) == count


# --- bad input

GLOBAL = repository({'de': {'test': []}, 'en': {'test': []}}, 'jsonl')


def refused(hub, files, *languages, name='global_mmlu', **fields):
    """The error of a set whose repository is given."""
    hub.repositories['datasets/org/set'] = (
        files if isinstance(files, Repository) else repository(files)
    )
    with pytest.raises(DataError) as caught:
        task(name, languages=languages, source='hf:org/set', **fields)
    return str(caught.value)


@pytest.mark.parametrize('status', [401, 403])
def test_a_gated_set_says_what_to_do(hub, status):
    files = repository({'de': {'test': [{}]}}, 'jsonl').files
    said = refused(hub, Repository(files, refused=status), 'de')
    assert 'hf:org/set:de is gated: accept its terms' in said and 'HF_TOKEN' in said


def test_a_set_that_is_missing_or_lacks_a_revision(hub):
    with pytest.raises(DataError, match='the hub has no dataset org/none, or it is private'):
        task('global_mmlu', languages=('de',), source='hf:org/none')
    with pytest.raises(DataError, match="no revision 'v9' of openai/MMMLU"):
        task('mmmlu', languages=('de',), source='hf:openai/MMMLU@v9')
    with pytest.raises(DataError, match='neither an existing folder nor hf:ORG/NAME'):
        task('global_mmlu', languages=('de',), source='hf:a b/c')
    with pytest.raises(DataError, match=r"hub.source is 'hf:org/other'; expected one of hf:cais"):
        task('hub', languages=('de',), source='hf:org/other')


def test_a_language_that_the_set_lacks(hub):
    with pytest.raises(DataError, match=r"xx', which openai/MMMLU does not have; it has AR_XY, BN"):
        task('mmmlu', languages=('xx',))
    # The table has it, and the hub's copy does not.
    with pytest.raises(DataError, match=r"has no configuration 'fr'; it has en, de, sw"):
        task('global_mmlu', languages=('en', 'fr'))
    with pytest.raises(DataError, match=r"no split 'exam'; it has test"):
        task('global_mmlu', languages=('en',), split='exam')


def test_a_set_that_needs_code_is_not_run(hub):
    rows = repository({'de': {'test': [{'n': 1}]}}).files
    files = {'set.py': b'raise SystemExit', 'de/test.jsonl': b'{}'}
    converted = {'de/test/0000.parquet': rows['de/test.parquet']}
    place = Repository(files, others={'refs/convert/parquet': converted})
    said = refused(hub, place, 'de')
    assert 'needs code of its own (set.py), which is not run' in said
    assert 'hf:org/set@refs/convert/parquet:de' in said
    with pytest.raises(DataError, match="has no column 'question', 'option_a'"):
        task('global_mmlu', languages=('de',), source='hf:org/set@refs/convert/parquet')


def test_wrong_columns_are_refused_by_name(hub):
    rows = [{'question': 'q', 'option_a': 'a', 'option_b': 'b', 'answer': 'A', 'subject': 's'}]
    said = refused(hub, {'de': {'test': rows}}, 'de')
    assert said.startswith("hf:org/set:de test has no column 'option_c', 'option_d', 'sample_id'")
    assert "it has 'question', 'option_a', 'option_b'" in said


def prox(**changed):
    row = {'question': 'q', 'answer': 'A', 'category': 'law'}
    row |= {f'option_{i}': f'o{i}' for i in range(10)} | changed
    full = row | {f'option_{i}': f'o{i}' for i in range(10)}
    return {'de': {'test': [full, row]}}


def test_options_and_answers_that_cannot_be_used(hub):
    said = refused(hub, prox(option_3=None), 'de', name='mmlu_prox')
    assert said.startswith('hf:org/set:de test, row 1: option_3 is empty, and option_4 after it')
    said = refused(hub, prox(option_9=None, answer='J'), 'de', name='mmlu_prox')
    assert "row 1: the answer is 'J', outside the 9 options" in said


@pytest.mark.parametrize(
    ('answer', 'listed', 'words'),
    [
        ("['a', 'b']", "['a', 'b']", 'Ans is a list of 2 answers'),
        ("['c']", "['a', 'b']", "Ans is 'c', outside the options: a, b"),
        ('a', 'a, b', "Candidate Ans is 'a, b', not a list"),
        ('a', '__import__("os").listdir()', 'not a list'),
        ('a', '[' * 5000, 'not a list'),
    ],
)
def test_lists_that_are_written_as_texts(hub, answer, listed, words):
    rows = [{'Prompt': 'p', 'Ans': answer, 'Candidate Ans': listed}]
    hub.repositories['datasets/JRQi/XCSQA'] = repository({'en': {'test': rows}})
    with pytest.raises(DataError, match=words) as caught:
        task('hub', languages=('en',), source='hf:JRQi/XCSQA')
    assert str(caught.value).startswith('hf:JRQi/XCSQA:en test, row 0: ')


def test_languages_with_fewer_items_are_listed_together(hub):
    full = hub_rows('en', range(4))
    short, other = hub_rows('de', (0, 2)), hub_rows('sw', (0, 1, 2))
    configs = {'en': {'test': full}, 'de': {'test': short}, 'sw': {'test': other}}
    said = refused(hub, configs, 'en', 'de', 'sw')
    assert 'de lacks 2 of 4: i1, i3\n' in said and said.endswith('sw lacks 1 of 4: i3')
    assert "set config.tasks.global_mmlu.items to 'common'" in said
    made = task('global_mmlu', languages=('en', 'de', 'sw'), source='hf:org/set', items='common')
    assert [q.id for q in made.questions('full', 'sw')] == ['i0', 'i2']
    assert made.left_out == {'common': LeftOut(2, 4)}


def hub_rows(code, numbers):
    return [
        {'sample_id': f'i{n}', 'subject': 's', 'question': f'{code}?', 'answer': 'A',
         **{f'option_{x}': f'{code} {x}' for x in 'abcd'}}
        for n in numbers
    ]  # fmt: skip


def test_a_network_that_dies_keeps_what_came(hub, monkeypatch):
    monkeypatch.setattr('time.sleep', lambda seconds: None)  # of the library's retries
    files = repository({c: {'test': hub_rows(c, range(50))} for c in ('en', 'de')}, 'jsonl').files
    place = Repository(files, dies={'de/test.jsonl': 1000})
    said = refused(hub, place, 'en', 'de')
    assert said.startswith('hf:org/set:de could not be fetched from the hub or its cache: ')
    assert 'What was downloaded is kept: start again' in said
    place.dies.clear()
    hub.asked.clear()
    made = task('global_mmlu', languages=('en', 'de'), source='hf:org/set')
    assert len(made.questions('full', 'de')) == 50
    fetched = [path.rpartition('/')[2] for verb, path in hub.asked if verb == 'GET']
    assert 'en/test.jsonl' not in '\n'.join(path for verb, path in hub.asked if verb == 'GET')
    assert 'test.jsonl' in fetched
