"""Hugging Face datasets and TFDS as sources, made on the spot: no network."""

import json

import datasets
import pytest
import tensorflow_datasets as tfds

from xlbarrier.config.corpus import TextConfig
from xlbarrier.corpus import hub, sources
from xlbarrier.datafiles import DataError

TEXTS = ['One.', '', 'Zwei „Wörter“.', '三。']
KEPT = [text for text in TEXTS if text]

WIKI40B = """
_START_ARTICLE_
Hummer
_START_SECTION_
Leben
_START_PARAGRAPH_
Er lebt._NEWLINE_Er frisst.
_START_PARAGRAPH_
Ende."""


def read(spec, **fields):
    source = sources.open_source(spec, TextConfig(**fields))
    first = [[part.text for part in document.parts] for document in source.documents()]
    assert first == [[part.text for part in d.parts] for d in source.documents()]
    return [text for parts in first for text in parts]


def test_saved_to_disk(tmp_path):
    rows = datasets.Dataset.from_dict({'id': range(4), 'body': TEXTS})
    rows.save_to_disk(tmp_path / 'one')
    datasets.DatasetDict({'train': rows, 'test': rows.select([0])}).save_to_disk(tmp_path / 'two')
    assert read(f'hf:{tmp_path}/one', field='body') == KEPT
    assert read(f'hf:{tmp_path}/two', field='body', split='test') == ['One.']
    with pytest.raises(DataError, match="no split 'valid'; it has train, test"):
        read(f'hf:{tmp_path}/two', field='body', split='valid')
    with pytest.raises(DataError, match="no column 'text'; it has id, body"):
        read(f'hf:{tmp_path}/one')
    described = sources.open_source(f'hf:{tmp_path}/one', TextConfig(field='body')).described
    assert described['fingerprint'] and described['split'] == 'train'


def test_a_folder_of_data_files_is_streamed(tmp_path):
    lines = [json.dumps({'text': text}, ensure_ascii=False) for text in TEXTS]
    (tmp_path / 'train.jsonl').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    assert read(f'hf:{tmp_path}') == KEPT


def test_a_dataset_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match='hf:no/such-set cannot be opened'):
        sources.open_source('hf:no/such-set', TextConfig())
    with pytest.raises(DataError, match='tfds:no_such_set cannot be opened'):
        sources.open_source('tfds:no_such_set', TextConfig(data_dir=str(tmp_path)))


def test_a_saved_dataset_in_another_language(test_data):
    folder = next((test_data / 'tofu_multilingual/arrow').iterdir())
    texts = read(f'hf:{folder}', field='question', language='fr')
    assert len(texts) > 50 and all(text.strip() for text in texts)


class Tiny(tfds.core.GeneratorBasedBuilder):
    """Four texts, one of them empty, one an article as Wiki40B has them."""

    VERSION = tfds.core.Version('1.0.0')

    def _info(self):
        features = tfds.features.FeaturesDict({'text': tfds.features.Text()})
        return self.dataset_info_from_configs(features=features)

    def _split_generators(self, manager):
        return {'train': self._generate_examples()}

    def _generate_examples(self):
        for i, text in enumerate([*TEXTS, WIKI40B]):
            yield i, {'text': text}


def test_tfds(tmp_path):
    """The builder writes its files; the source reads them by name, without TensorFlow."""
    import sys

    Tiny(data_dir=tmp_path, file_format='array_record').download_and_prepare()
    texts = read('tfds:tiny', data_dir=str(tmp_path))
    assert sorted(texts) == sorted([*KEPT, 'Hummer', 'Leben', 'Er lebt.', 'Er frisst.', 'Ende.'])
    with pytest.raises(DataError, match="no feature 'body'; it has text"):
        read('tfds:tiny', data_dir=str(tmp_path), field='body')
    assert 'tensorflow' not in sys.modules


def test_wiki40b_marks_are_read_into_headings_and_paragraphs():
    parts = hub.wiki40b(WIKI40B, 7).parts
    assert [(p.text, p.heading) for p in parts] == [
        *(('Hummer', True), ('Leben', True), ('Er lebt.', False)),
        *(('Er frisst.', False), ('Ende.', False)),
    ]
    assert {p.row for p in parts} == {7}


@pytest.mark.parametrize('name', ['ns:set', 'kaggle:a/b', 'huggingface:x', 'a/../b', '/tmp/x'])
def test_a_namespace_of_tfds_is_refused(name):
    """It would load code that is downloaded."""
    with pytest.raises(DataError, match='is refused: expected the name of a dataset'):
        sources.open_source(f'tfds:{name}', TextConfig())
