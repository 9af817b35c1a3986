"""Readers in many languages, behind thoughts, and on texts made to be slow."""

import time
from decimal import Decimal

import pytest
from babel import Locale, localedata
from babel import numbers as babel_numbers

from xlbarrier import metrics
from xlbarrier.metrics import answer_words, thought

# A sentence as models write it, in the thirty languages with most speakers and some more.
STATED = {
    'en': 'The correct answer is {}.',
    'zh': '正确答案是{}。',
    'hi': 'सही उत्तर है {}।',
    'es': 'La respuesta correcta es la {}.',
    'fr': 'La bonne réponse est {}.',
    'ar': 'الإجابة الصحيحة هي {}.',
    'bn': 'সঠিক উত্তর হল {}।',
    'pt': 'A resposta correta é a letra {}.',
    'ru': 'Правильный ответ: {}.',
    'ur': 'درست جواب {} ہے',
    'id': 'Jawaban yang benar adalah {}.',
    'de': 'Die richtige Antwort lautet {}.',
    'ja': '正解は{}です。',
    'pcm': 'Di correct ansa na {}.',
    'mr': 'बरोबर उत्तर {} आहे.',
    'te': 'సరైన సమాధానం {}.',
    'tr': 'Doğru cevap {}’dir.',
    'ha': 'Amsar da ta dace ita ce {}.',
    'ta': 'சரியான பதில் {}.',
    'vi': 'Đáp án đúng là {}.',
    'yue': '答案係{}。',
    'sw': 'Jibu sahihi ni {}.',
    'fil': 'Ang tamang sagot ay {}.',
    'pa': 'ਸਹੀ ਜਵਾਬ {} ਹੈ',
    'ko': '정답은 {}입니다.',
    'fa': 'پاسخ صحیح گزینه {} است.',
    'jv': 'Jawaban sing bener yaiku {}.',
    'it': 'La risposta corretta è la {}.',
    'gu': 'સાચો જવાબ {} છે.',
    'th': 'คำตอบที่ถูกต้องคือ ข้อ {}',
    'am': 'ትክክለኛው መልስ {} ነው።',
    'kn': 'ಸರಿಯಾದ ಉತ್ತರ {}.',
    'ml': 'ശരിയായ ഉത്തരം {} ആണ്.',
    'bho': 'सही जवाब {} बा',
    'my': 'အဖြေမှန်သည် {}',
    'uk': 'Правильна відповідь — {}.',
    'pl': 'Poprawna odpowiedź to {}.',
    'nl': 'Het juiste antwoord is {}.',
    'el': 'Η σωστή απάντηση είναι το {}.',
    'cs': 'Správná odpověď je {}.',
    'sv': 'Rätt svar är {}.',
    'ro': 'Răspunsul corect este {}.',
    'he': 'התשובה הנכונה היא {}.',
    'yo': 'Ìdáhùn tó tọ́ ni {}.',
    'ig': 'Azịza ziri ezi bụ {}.',
    'so': 'Jawaabta saxda ah waa {}.',
    'ne': 'सही जवाफ {} हो',
    'si': 'නිවැරදි පිළිතුර {}',
    'ky': 'Туура жооп: {}',
    'ms': 'Jawapan yang betul ialah {}.',
    'mg': 'Ny valiny marina dia {}.',
    'sn': 'Mhinduro chaiyo ndi {}.',
}


@pytest.mark.parametrize('language', STATED)
@pytest.mark.parametrize('letter', 'ABCD')
def test_a_stated_letter_in_every_language(language, letter):
    want = 'ABCD'.index(letter)
    assert metrics.robust(STATED[language].format(letter), 4) == want
    assert metrics.robust(STATED[language].format(f'({letter})'), 4) == want
    assert metrics.robust(STATED[language].format(f'**{letter}**'), 4) == want


@pytest.mark.parametrize('language', answer_words.WORDS)
def test_every_word_for_answer_with_a_colon(language):
    for word in answer_words.WORDS[language].answer.split('|'):
        for form in (f'{word}: C', f'{word.capitalize()}: **C**', f'{word} - (C)'):
            assert metrics.robust(form, 4) == 2, form


@pytest.mark.parametrize(
    ('text', 'want'),
    [
        ('정답은 가', 0),
        ('উত্তর: খ', 1),
        ('คำตอบคือ ค.', 2),
        ('उत्तर: (घ)', 3),
        ('C가 정답입니다.', 2),
        ('A şıkkı', 0),
        ('B 선택지', 1),
    ],
)
def test_letters_of_other_scripts_and_words_behind_a_letter(text, want):
    assert metrics.robust(text, 4) == want


@pytest.mark.parametrize(
    'text',
    [
        'Bạn có thể hỏi lại',  # B with a Vietnamese letter behind it begins a word
        'Cậu bé',
        'Đáp án không phải là C',
        '정답은 C가 아닙니다',
        'सही उत्तर C नहीं है',
        'Doğru cevap C değil',
        '答案不是C',
        'Jibu si C',
        'คำตอบไม่ใช่ C',
        'La réponse ne serait pas C',
        'उत्तर: क',  # the first option in Hindi, the third in Marathi
    ],
)
def test_words_and_denied_letters_name_nothing(text):
    assert metrics.robust(text, 4) is None


THOUGHTS = [
    ('<think>', '</think>'),
    ('<THINK>', '</THINK>'),
    ('<thinking>', '</thinking>'),
    ('<thought>', '</thought>'),
    ('<reasoning>', '</reasoning>'),
    ('[THINK]', '[/THINK]'),
    ('<|START_THINKING|>', '<|END_THINKING|><|START_RESPONSE|>'),
    ('<|begin_of_thought|>', '<|end_of_thought|><|begin_of_solution|>'),
    ('<seed:think>', '</seed:think>'),
    ('◁think▷', '◁/think▷'),
    ('<unused94>thought\n', '<unused95>'),
    ('<|inner_prefix|>', '<|inner_suffix|>'),
    ('<|channel>thought\n', '<channel|>'),
    (
        '<|channel|>analysis<|message|>',
        '<|end|><|start|>assistant<|channel|>final<|message|>',
    ),
    ('analysis', 'assistantfinal'),
]


@pytest.mark.parametrize(('opening', 'closing'), THOUGHTS)
def test_a_thought_is_no_answer(opening, closing):
    inner = 'The answer is A? 12 + 5 = 17. (B)'
    for answer in ('C', 'The answer is C.', '答案是C', '정답: C'):
        assert metrics.robust(f'{opening}{inner}{closing}\n\n{answer}', 4) == 2
        assert metrics.robust(f'{opening}{closing}{answer}', 4) == 2
        twice = f'{opening}{inner}{closing}B?{opening}{inner}{closing}{answer}'
        assert metrics.robust(twice, 4) == 2
    assert metrics.robust(f'{opening}{inner}', 4) is None, 'a thought without an end'
    assert metrics.robust(f'{opening}{inner}{closing}', 4) is None
    assert metrics.final_number(f'{opening}{inner}{closing} It is 18.') == 18
    assert metrics.final_number(f'{opening}{inner}') is None
    assert metrics.first_character(f'{opening}A', 4) in (None, 0)


def test_an_opening_mark_may_be_missing_and_an_answer_may_come_first():
    assert metrics.robust('Maybe A.\n</think>\n\nC', 4) == 2
    assert metrics.robust('C\n<think>or is it A', 4) == 2
    assert metrics.robust('<think>A</think>\n<answer>C</answer>', 4) == 2
    assert thought.without_thought('a < b [x] ◁') == 'a < b [x] ◁'


@pytest.mark.parametrize(
    ('text', 'want'),
    [
        ('La réponse est 18 000.', '18000'),
        ('Ответ: 1 234 567,5', '1234567.5'),
        ('উত্তর: ১,১৪,২০০', '114200'),
        ('1,14,200.50 रुपये', '114200.50'),
        ('1.234,5', '1234.5'),
        ('1,234,567.890', '1234567.890'),
        ('1’234’567.8', '1234567.8'),
        ('١٬٢٣٤٫٥', '1234.5'),
        ('in 2019 100 of them', '100'),
        ('7 then 12 15', '15'),
        ('18 0000', '0'),
        ('1,14,20', '114.20'),
    ],
)
def test_numbers_in_groups(text, want):
    assert metrics.final_number(text) == Decimal(want)


def test_numbers_as_cldr_writes_them_in_every_locale():
    """Whole numbers, and those with one or two decimals, in each locale's separators and digits."""
    missed = []
    for name in localedata.locale_identifiers():
        locale = Locale.parse(name)
        for value in (7, 1234, 18000, 114200, 1234567, -4321, 0.5, 12.25, 98765.25):
            text = babel_numbers.format_decimal(value, locale=locale, numbering_system='default')
            found = metrics.final_number(f'x {text} x')
            if found is None or float(found) != value:
                missed.append((name, text, found))
    assert not missed, missed[:10]


LONG = 100_000
SLOW = [
    'Answer' + ':' * LONG + 'x',
    'Answer' + ' ' * LONG + 'x',
    r'\boxed{' + ' ' * LONG + 'x',
    *(c * LONG for c in '( \n:"\'选答的C1-<['),
    *((word + ' ') * (LONG // len(word)) for word in ('answer', 'C or', 'question', 'option', '1')),
    'Answer: A ' * (LONG // 10),
    '\n question' * (LONG // 10),
    '<think>' * (LONG // 7),
    '000 ' * (LONG // 4),
    '1,' * LONG,
    r'\boxed{' * (LONG // 7),
]


@pytest.mark.parametrize('text', SLOW, ids=lambda text: repr(text[:8]))
def test_no_reader_is_slower_than_linear(text):
    """10^5 repeated characters: what is quadratic takes minutes, what is linear a second or two."""
    started = time.process_time()
    metrics.robust(text, 4, ('a', 'b', 'c', 'd'))
    metrics.first_character(text, 4)
    metrics.final_number(text)
    metrics.squad_tokens(text)
    for language in ('zh', 'ar', 'de'):
        metrics.mlqa_tokens(text, language)
    assert time.process_time() - started < 20
