"""Questions as text: a context, the continuations to score, and the bare answer cue."""

from dataclasses import dataclass

from xlbarrier.tasks.base import Question
from xlbarrier.text.languages import language as language_of

LETTERS = 'ABCDEFGHIJ'

# (before the question, before the answer), with the punctuation of the language.
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


@dataclass(frozen=True)
class Prompt:
    """What a model reads, and what is scored after it.

    Attributes:
      context: ends without white space.
      continuations: one a choice; begin with a space where the context's language writes one.
      unconditional: the answer cue alone, the context of PMI's second term.
    """

    context: str
    continuations: tuple[str, ...]
    unconditional: str


def render(question: Question, method: str) -> Prompt:
    """The prompt of a question.

    Args:
      question: in any variant; the cue words are in the question's language.
      method: 'loglikelihood': the options are scored after a question that does not list them;
        'letter': they are listed with letters, and the letters are scored.

    Raises:
      ValueError: for a language without cue words, or more options than letters.
    """
    ask, answer = cue(question.language)
    gap = ' ' if language_of(question.language).spaces else ''
    lines = [f'{ask}{gap}{question.question}']
    if method == 'loglikelihood':
        continuations = question.choices
    elif method == 'letter':
        if len(question.choices) > len(LETTERS):
            raise ValueError(
                f'question {question.id} has {len(question.choices)} options,'
                f' at most {len(LETTERS)} have letters'
            )
        letters = LETTERS[: len(question.choices)]
        lines += [f'{x}. {c}' for x, c in zip(letters, question.choices, strict=True)]
        continuations = tuple(letters)
    else:
        raise ValueError(f'method {method!r}; wanted loglikelihood or letter')
    context = '\n'.join([*lines, answer])
    return Prompt(context, tuple(gap + c for c in continuations), answer)


def cue(code: str) -> tuple[str, str]:
    """The words before a question and before its answer.

    Raises:
      ValueError: naming the language, when there are none.
    """
    if code not in CUES:
        raise ValueError(f'no cue words in {code!r}; there are: {", ".join(sorted(CUES))}')
    return CUES[code]
