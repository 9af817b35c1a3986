"""Readers of free-text answers: what each understands, what none may, and that neither fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlbarrier import metrics

THIRD = (
    *('C', 'C.', 'C)', '(C)', '[C]', '"C"', 'C:', 'c', 'c.', 'c)', 'c\n', 'C</s>', '**C**', '`C`'),
    *('Ｃ', 'Ｃ．', '（Ｃ）', 'Ⓒ', 'ج', 'ج.', 'جـ', 'ג', 'ג.', 'Γ', 'С.'),
    *(
        'C. It was',
        'C It was small',
        'C Es war',
        'C 红海省',
        'C、红海省',
        'C) foo',
        'Option C',
        '(c) x',
    ),
    *(r'\boxed{C}', r'$\boxed{\text{C}}$', r'A or B? No: \boxed{C}'),
    *(
        'The answer is C',
        'the correct answer is: **C**.',
        'The answer is option C because',
        'Answer:C.',
    ),
    *(
        'So the final answer is (C).',
        'The most reasonable answer is C.',
        'Answer - C',
        'Answer is c.',
    ),
    *(
        'Antwort: C',
        'Die richtige Antwort ist C.',
        'La réponse est C',
        'La réponse correcte est la C.',
    ),
    *('La risposta corretta è C', 'La respuesta correcta es la opción C', 'A resposta é C'),
    *('Poprawna odpowiedź to C', 'Правильный ответ: C', 'Правильный ответ — C', 'Ответ: С'),
    *(
        '答案是C',
        '答案：C',
        '正确答案是C选项',
        '答案应该是C',
        '選C',
        '正解はCです',
        '答えはＣです。',
    ),
    *('الإجابة هي ج', 'الإجابة الصحيحة هي C', 'الجواب: جـ', 'התשובה היא ג', 'התשובה הנכונה היא C'),
    *('I think (C) fits', 'C\n\nQuestion: next?\nAnswer: B', 'C\n\nسؤال: م'),
)
UNREADABLE = (
    *(
        '',
        '   ',
        '\n',
        '.',
        '����',
        'Cat',
        'Call me',
        "D'accord",
        'A dog',
        'a dog',
        'E un cane',
        'I am',
    ),
    *(
        'I am sorry',
        'None of the above.',
        'Question:2+',
        'Question: x\nAnswer: D',
        'The correct answer i',
    ),
    *(
        'The answer is not C',
        'The answer is a dog',
        'The answer is A. The answer is B.',
        'B or C',
        'A/B',
    ),
    *('C is wrong', 'Option C is wrong', 'B, C', 'E', 'E.', 'The answer is E'),
    # The Cyrillic letter that is a B by its shape and the third by its place.
    *('В', 'В.', 'Аня', 'بيت', 'ب بيت', 'ア', '12', 'CC', 'C3'),
)


@pytest.mark.parametrize('text', THIRD)
def test_the_robust_reader_understands(text):
    assert metrics.robust(text, 4) == 2


@pytest.mark.parametrize('text', UNREADABLE)
def test_the_robust_reader_does_not_guess(text):
    assert metrics.robust(text, 4) is None


@given(st.integers(2, 10), st.data())
def test_every_letter_and_only_those_of_the_options(options, data):
    index = data.draw(st.integers(0, 9))
    letter = 'ABCDEFGHIJ'[index]
    want = index if index < options else None
    for form in (letter, f'{letter}.', f'({letter})', f'The answer is {letter}.'):
        assert metrics.robust(form, options) == want
        assert metrics.robust(form.lower(), options) == want
    assert metrics.first_character(f'{letter} or so', options) == want


@given(st.text(), st.integers(2, 10))
def test_readers_give_an_option_or_none_for_any_text(text, options):
    for reader in (metrics.first_character, metrics.robust):
        index = reader(text, options)
        assert index is None or 0 <= index < options


def test_the_published_reading_is_the_first_character_and_nothing_else():
    assert metrics.first_character('C', 4) == 2
    assert metrics.first_character('Call me Ishmael', 4) == 2
    for text in ('', ' C', 'c', '(C)', 'The answer is C', 'E'):
        assert metrics.first_character(text, 4) is None
    # The two disagree where an answer begins with the word Answer, as some recorded ones do.
    assert metrics.first_character('Answer:B.', 4) == 0
    assert metrics.robust('Answer:B.', 4) == 1


def test_an_option_told_by_its_text():
    choices = ('Rome', 'Paris, France.', 'Oslo', 'oslo')
    assert metrics.robust('paris  france', 4, choices) == 1
    assert metrics.robust('Paris', 4, choices) is None, 'half an option is not one'
    assert metrics.robust('Oslo', 4, choices) is None, 'two options read alike'
    assert metrics.robust('Paris, France.', 4) is None, 'without the options no text is known'


def test_the_share_of_unreadable_answers():
    share = metrics.unreadable([0, None, 1, None])
    assert (share.value, share.n) == (0.5, 4)
    assert share.low < 0.5 < share.high
    assert metrics.unreadable([]).reason == 'there are no items'


@pytest.mark.parametrize('letter', 'ABCDE')
@pytest.mark.parametrize(
    'text',
    ('{} is the correct answer.', '{} because it is far', 'The answer is {} because', '{} ist'),
)
def test_every_letter_is_read_in_the_same_sentences(letter, text):
    assert metrics.robust(text.format(letter), 5) == 'ABCDE'.index(letter)


@pytest.mark.parametrize(
    ('text', 'want'),
    (
        *(('B is wrong.', None), ("B isn't right", None), ('A is not correct', None)),
        *(('B ist falsch', None), ('C is wrong. The answer is D', 3)),
    ),
)
def test_a_letter_that_is_denied_is_no_answer(text, want):
    assert metrics.robust(text, 4) == want
