"""Languages: script, direction, spaces; a code that CLDR lacks is named."""

import pytest

from xlbarrier.text import languages


@pytest.mark.parametrize(
    ('code', 'script', 'direction', 'spaces'),
    [
        ('en', 'Latn', 'ltr', True),
        ('ar', 'Arab', 'rtl', True),
        ('he', 'Hebr', 'rtl', True),
        ('zh', 'Hans', 'ltr', False),
        ('ja', 'Jpan', 'ltr', False),
        ('th', 'Thai', 'ltr', False),
        ('hi', 'Deva', 'ltr', True),
        ('ru', 'Cyrl', 'ltr', True),
        ('zh-Hant', 'Hant', 'ltr', False),
        ('zh-TW', 'Hant', 'ltr', False),
        ('pa-PK', 'Arab', 'rtl', True),
        ('pt-BR', 'Latn', 'ltr', True),
    ],
)
def test_scripts_directions_and_spaces(code, script, direction, spaces):
    found = languages.language(code)
    assert (found.script, found.direction, found.spaces) == (script, direction, spaces)
    assert found.code == code and found.english_name and found.native_name


def test_an_unknown_language_is_named_with_near_ones():
    with pytest.raises(languages.UnknownLanguageError, match=r"'dee'.*\bde\b"):
        languages.language('dee')
    with pytest.raises(ValueError, match="'e!'"):
        languages.language('e!')


@pytest.mark.parametrize('code', ['', 'EN', 'iw', 'und', 'root', 'pt_BR', 'en-XX', 'x-klingon'])
def test_a_code_that_means_another_or_no_language_is_refused(code):
    with pytest.raises(languages.UnknownLanguageError, match='CLDR has no language'):
        languages.language(code)
