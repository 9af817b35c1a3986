"""Which option a free-text answer names: the published reading, and one that understands more.

Both give the option's index, or None where the answer cannot be read. An unreadable answer counts
as wrong; `metrics.unreadable` gives their share, without which an accuracy says little.
"""

import re
import unicodedata
from collections.abc import Sequence

LETTERS = 'ABCDEFGHIJ'

# Letters that number options, by script; the position is the option. Arabic and Hebrew count by the
# abjad order. The Cyrillic В is left out: it is the second letter by its shape and the third by its
# place, so nobody knows which was meant. С is C by its shape only; the others stand in both orders
# or in the alphabet's own.
_SCRIPTS = (
    (r'A-Za-zÀ-ɏ', {letter: i for i, letter in enumerate(LETTERS)}),
    (r'Ѐ-ӿ', {'А': 0, 'Б': 1, 'С': 2, 'Г': 3, 'Д': 4}),
    (r'Ͱ-Ͽ', {'Α': 0, 'Β': 1, 'Γ': 2, 'Δ': 3, 'Ε': 4}),
    (r'ء-يٱ-ۓ', {'أ': 0, 'ا': 0, 'إ': 0, 'ب': 1, 'ج': 2, 'د': 3, 'ه': 4, 'و': 5}),
    (r'א-ת', {'א': 0, 'ב': 1, 'ג': 2, 'ד': 3, 'ה': 4, 'ו': 5}),
)
_INDEX = {
    form: index
    for _, letters in _SCRIPTS
    for letter, index in letters.items()
    for form in (letter, letter.lower())
}
# A letter that stands alone among letters of its own script: the C of 'Cです' does, of 'Cat' not.
_LETTER = '(?P<letter>{})'.format(
    '|'.join(
        rf"(?<![{script}\d'’])[{''.join(letters)}{''.join(letters).lower()}](?![{script}\d'’])"
        for script, letters in _SCRIPTS
    )
)
_OPEN = r'[\s"“”«»\'‘(\[{:=\-–—]*'
_OPTION = (
    r'(?:option|choice|letter|buchstabe|opción|opcion|opção|opzione|opcja|lettre|la lettre|литера'
    r'|вариант|選択肢|选项|選項|الخيار|الحرف|אפשרות|האות)'
)
# What introduces an answer, and what may stand between it and the letter. The list is closed, so
# that 'the answer is not C' names nothing.
_CUE = (
    r'(?:answer|antwort|réponse|reponse|respuesta|resposta|risposta|odpowiedź|odpowiedzią|odpowiedz'
    r'|ответ|ответом|відповідь|cevap|jawaban|đáp án|उत्तर'
    r'|答案|答え|回答|解答|正解|应选|應選|选|選'
    r'|الإجابة|الاجابة|إجابة|الجواب|جواب|התשובה|תשובה)'
)
_LINK = (
    r'(?:(?:is|are|would be|should be|must be|ist|lautet|wäre|est|serait|es|sería|é|è|sarebbe|jest'
    r'|brzmi|to|это|является|будет|हैं|है|the|die|der|das|la|le|el|il'
    r'|correct|right|best|most|reasonable|one|final|richtige|korrekte|beste|correcte|bonne|exacte'
    r'|correcta|corretta|giusta|esatta|correta|poprawna|prawidłowa|правильный|верный|верен'
    r'|here|clearly|therefore)(?![A-Za-zÀ-ɏЀ-ӿ])'
    r'|应该是|是|为|為|应为|選|选|は|が|هي|هو|الصحيحة|الصحيح|היא|הוא|הנכונה|נכונה|:)'
)
_START = re.compile(rf'^{_OPEN}(?P<option>{_OPTION}\s*)?{_OPEN}{_LETTER}', re.IGNORECASE)
_STATED = re.compile(
    rf'(?:\b{_CUE}|(?:答案|答え|正解|选|選)){_OPEN}'
    rf'(?:{_LINK}{_OPEN}){{0,5}}(?:{_OPTION}{_OPEN})?{_LETTER}',
    re.IGNORECASE,
)
_BOXED = re.compile(rf'\\boxed\s*\{{\s*(?:\\\w+\s*\{{)?\s*\(?\s*{_LETTER}')
# 'B or C', 'A/B': two letters are no answer.
_OTHER = re.compile(
    r'\s*(?:[,/&+]|(?:or|and|oder|und|ou|et|o|y|e|lub|oraz|или|и|أو|או)\b|或|和|か)\s*[("]*'
    r'[A-JА-Г](?![A-Za-zÀ-ɏЀ-ӿ])'
)
# 'A is correct' is as readable as 'C is correct', and 'B is wrong' names no answer.
_TOLD = re.compile(r'\s+(?:is|because|since|ist|weil|est|es)\b')
_DENIED = re.compile(
    r"\s+(?:is|ist|est|es)(?:n[’']t|\s+(?:not|wrong|incorrect|false|nicht|falsch|pas|faux"
    r'|incorrecta?|falsa?))\b'
)
_BRACKETED = re.compile(rf'\(\s*{_LETTER}\s*\)')
# A model that was not told to stop asks itself the next question.
_NEXT_QUESTION = re.compile(
    r'(?:^|\n)\s*(?:question|premise|frage|pregunta|pergunta|domanda|pytanie|вопрос|问题|問題|質問'
    r'|السؤال|سؤال|שאלה|q)\s*\d*\s*[:.]',
    re.IGNORECASE,
)
_SPECIAL_TOKEN = re.compile(
    r'</?s>|<\|[^<>|]{1,30}\|>|<(?:eos|bos|pad|unk|end_of_turn)>|\[/?INST\]'
)
_MARKUP = re.compile(r'[*_`#$~]|[\u0640\ufffd]')
_ENDS = frozenset('.,;:!?)]}"”»\'’|/\\،؛。、，；：！？）】」』-–—')


def first_character(answer: str, options: int) -> int | None:
    """The option whose letter is the answer's first character: CLiKA's published reading.

    Nothing is stripped or normalised: ' C', 'c' and 'The answer is C' are unreadable.
    """
    return _within(LETTERS.find(answer[:1]) if answer else -1, options)


def robust(answer: str, options: int, choices: Sequence[str] | None = None) -> int | None:
    r"""The option that an answer names in one of the ways in which models name it.

    In this order: a \boxed letter; the letter that the answer begins with ('C.', '(C)', 'c)',
    'Option C', full-width 'Ｃ', Arabic 'ج', Hebrew, Greek or Cyrillic letters), or that it states
    ('The answer is C', 'Antwort: C', '答案是C', 'الإجابة هي ج'; 20 languages); the only letter in
    round brackets; the text of exactly one option. Where it begins with one letter and states
    another, or states two, it is unreadable. What follows a next question that the model asks
    itself is not read; 'A dog' is no A.

    Args:
      answer: what the model wrote.
      options: how many options there were; a later letter is unreadable.
      choices: the options' texts; without them no answer is read by its text.
    """
    if len(answer) == 1 and answer in LETTERS:  # most answers: no pattern need be tried
        return _within(LETTERS.index(answer), options)
    text = _clean(answer)
    following = _NEXT_QUESTION.search(text)
    if following:
        text = text[: following.start()].rstrip()
    if not text:
        return None
    boxed = list(_BOXED.finditer(text))
    if boxed:
        return _within(_index(boxed[-1]), options)
    found = [match for match in _STATED.finditer(text) if _accepted(match, text, True)]
    start = _START.match(text)
    if start and _accepted(start, text, False):
        found.append(start)
    if any(_OTHER.match(text, match.end('letter')) for match in found):
        return None
    named = {_index(match) for match in found}
    if not named:
        named = {_index(match) for match in _BRACKETED.finditer(text) if match['letter'].isupper()}
    if not named and choices is not None:
        own = _plain(text)
        named = {i for i, choice in enumerate(choices) if own and _plain(_clean(choice)) == own}
    return _within(named.pop(), options) if len(named) == 1 else None


def _clean(text: str) -> str:
    """NFKC (full-width and circled letters), without special tokens, markup and invisible marks."""
    if text.isascii() and text.isalnum():
        return text
    text = unicodedata.normalize('NFKC', _SPECIAL_TOKEN.sub(' ', text))
    text = ''.join(c for c in text if unicodedata.category(c) != 'Cf')
    return _MARKUP.sub('', text).strip()


def _plain(text: str) -> str:
    kept = (c for c in text.casefold() if unicodedata.category(c)[0] in 'LMN' or c.isspace())
    return ' '.join(''.join(kept).split())


def _accepted(match: re.Match[str], text: str, stated: bool) -> bool:
    """Whether the letter is an option's and not a word: 'c.' but not 'a dog'; 'B It was'."""
    letter, rest = match['letter'], text[match.end('letter') :]
    if not rest.strip() or rest[0] == '\n' or rest.lstrip()[0] in _ENDS:
        return True
    if _DENIED.match(rest):
        return False
    after = rest.lstrip()[0]
    if letter.upper() not in LETTERS or (not stated and match['option']):
        return False  # alone in its script a letter may be a word, in Latin 'option C is wrong'
    if letter.islower():
        return False
    # A, E and I are words in several languages, but not before a capital or another script.
    is_word = letter in 'AEI' and 'a' <= after.lower() <= 'ɏ' and not after.isupper()
    return not is_word or _TOLD.match(rest) is not None


def _index(match: re.Match[str]) -> int:
    return _INDEX[match['letter']]


def _within(index: int, options: int) -> int | None:
    return index if 0 <= index < options else None
