"""Questions as text: a context, the continuations to score, and the bare answer cue."""

import hashlib
from collections.abc import Sequence

from xlbarrier.errors import InputError
from xlbarrier.tasks.base import LETTERS, Prompt, Question

# (before the question, before the answer), with the punctuation of the language. Tasks with
# published prompts know those of CUES only.
CUES = {
    'ar': ('السؤال:', 'الإجابة:'),
    'de': ('Frage:', 'Antwort:'),
    'en': ('Question:', 'Answer:'),
    'es': ('Pregunta:', 'Respuesta:'),
    'fr': ('Question :', 'Réponse :'),
    'he': ('שאלה:', 'תשובה:'),
    'hi': ('प्रश्न:', 'उत्तर:'),
    'it': ('Domanda:', 'Risposta:'),
    'ja': ('質問：', '答え：'),
    'pl': ('Pytanie:', 'Odpowiedź:'),
    'pt': ('Pergunta:', 'Resposta:'),
    'ru': ('Вопрос:', 'Ответ:'),
    'zh': ('问题：', '答案：'),
}
FURTHER_CUES = {
    'bn': ('প্রশ্ন:', 'উত্তর:'),
    'el': ('Ερώτηση:', 'Απάντηση:'),
    'fa': ('پرسش:', 'پاسخ:'),
    'id': ('Pertanyaan:', 'Jawaban:'),
    'ko': ('질문:', '답:'),
    'nl': ('Vraag:', 'Antwoord:'),
    'sv': ('Fråga:', 'Svar:'),
    'sw': ('Swali:', 'Jibu:'),
    'th': ('คำถาม:', 'คำตอบ:'),
    'tr': ('Soru:', 'Cevap:'),
    'uk': ('Запитання:', 'Відповідь:'),
    'vi': ('Câu hỏi:', 'Trả lời:'),
}
ALL_CUES = {**CUES, **FURTHER_CUES}


def render(
    question: Question,
    method: str,
    *,
    cues: str = '',
    instruction: str = '',
    demonstrations: Sequence[Question] = (),
    demos: str = 'none',
) -> Prompt:
    """The prompt of a question.

    Args:
      question: in any variant.
      method: 'loglikelihood': the options are scored after a question that does not list them;
        'letter': they are listed with letters, and the letters are scored.
      cues: code of the cue words' language; '': each question's own.
      instruction: text before everything else, followed by a blank line.
      demonstrations: questions shown with their answers, a blank line after each.
      demos: the kind of the demonstrations, for the record.

    Raises:
      ValueError: for a language without cue words, or more options than letters.
    """
    shown = [_asked(each, method, cues) for each in demonstrations]
    parts = [f'{text}{options[each.answer]}'
             for each, (text, options, _) in zip(demonstrations, shown, strict=True)]  # fmt: skip
    context, continuations, unconditional = _asked(question, method, cues)
    context = '\n\n'.join([*([instruction] if instruction else []), *parts, context])
    return Prompt(context, continuations, unconditional, len(shown), demos if shown else 'none')


def _asked(question: Question, method: str, cues: str) -> tuple[str, tuple[str, ...], str]:
    """A question up to its answer cue, what can follow it, and the cue."""
    ask, answer = cue(cues or question.language)
    gap = '' if answer.endswith('：') else ' '  # a full-width colon has its space
    lines = [f'{ask}{gap}{question.question}']
    continuations: Sequence[str]
    if method == 'loglikelihood':
        continuations = question.choices
    elif method == 'letter':
        lines.append(listed(question))
        continuations = LETTERS[: len(question.choices)]
    else:
        raise InputError(f'method {method!r}; expected loglikelihood or letter')
    return '\n'.join([*lines, answer]), tuple(gap + c for c in continuations), answer


def listed(question: Question, mark: str = '. ', letters: str = LETTERS) -> str:
    """The options, one per line, each after its letter and a mark.

    Args:
      question: in any variant.
      letters: what names the options, one character each.

    Raises:
      ValueError: when there are more options than letters.
    """
    if len(question.choices) > len(letters):
        raise InputError(
            f'question {question.id} has {len(question.choices)} options,'
            f' at most {len(letters)} have letters'
        )
    pairs = zip(letters[: len(question.choices)], question.choices, strict=True)
    return '\n'.join(f'{x}{mark}{c}' for x, c in pairs)


def digest(text: str) -> str:
    """SHA-256 (hex) of a prompt, by which prompts and answers are matched."""
    return hashlib.sha256(text.encode()).hexdigest()


def cue(code: str) -> tuple[str, str]:
    """The words before a question and before its answer.

    Raises:
      ValueError: naming the language, when there are none.
    """
    if code not in ALL_CUES:
        raise InputError(f'no cue words in {code!r}; there are: {", ".join(sorted(ALL_CUES))}')
    return ALL_CUES[code]
