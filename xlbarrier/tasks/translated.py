"""Translating at test time: the variant `translated`.

Question and options of the variant `full` are put into English, and the model is asked in English:
the baseline TRANSLATE TEST of Conneau et al. 2018 (arXiv 1809.05053). A translator does it, or the
model itself, which continues a few lines with their translations. A text without a translation
stays as it is, and is counted.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from absl import logging

from xlbarrier import metrics
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.tasks import ToEnglishConfig
from xlbarrier.data.tokenize import encode_prompt
from xlbarrier.progress import Progress
from xlbarrier.tasks.base import Question
from xlbarrier.text import languages as languages_lib
from xlbarrier.translate.make import make_translator
from xlbarrier.translate.protocol import Failed, Translator

if TYPE_CHECKING:
    from xlbarrier.tasks.asked import Asked

TRANSLATED = 'translated'
SOURCE = 'en'
COLUMNS = (('untranslated', pa.int64()), ('equal_options', pa.bool_()))
# Examples for the model, about nothing that is asked; a month from CLDR follows each.
SENTENCES = (
    {
        'ar': 'من كتب هذا الكتاب؟',
        'de': 'Wer hat dieses Buch geschrieben?',
        'en': 'Who wrote this book?',
        'es': '¿Quién escribió este libro?',
        'fr': 'Qui a écrit ce livre ?',
        'he': 'מי כתב את הספר הזה?',
        'hi': 'यह किताब किसने लिखी?',
        'it': 'Chi ha scritto questo libro?',
        'ja': 'この本は誰が書きましたか？',
        'pl': 'Kto napisał tę książkę?',
        'pt': 'Quem escreveu este livro?',
        'ru': 'Кто написал эту книгу?',
        'zh': '这本书是谁写的？',
    },
    {
        'ar': 'ما اسم هذا النهر؟',
        'de': 'Wie heißt dieser Fluss?',
        'en': 'What is the name of this river?',
        'es': '¿Cómo se llama este río?',
        'fr': 'Comment s’appelle ce fleuve ?',
        'he': 'מה שם הנהר הזה?',
        'hi': 'इस नदी का नाम क्या है?',
        'it': 'Come si chiama questo fiume?',
        'ja': 'この川の名前は何ですか？',
        'pl': 'Jak nazywa się ta rzeka?',
        'pt': 'Como se chama este rio?',
        'ru': 'Как называется эта река?',
        'zh': '这条河叫什么名字？',
    },
)
MONTHS = (3, 8)

Translate = Callable[[Sequence[str], str], Sequence[str | Failed]]  # texts of a language


class WithVariants(Protocol):
    """The fields of a config that decide whether a task is asked in this variant."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Of the questions."""

    @property
    def variants(self) -> tuple[str, ...]:
        """See `base.Task`."""

    @property
    def to_english(self) -> ToEnglishConfig:
        """How it translates."""


class ToEnglish:
    """Puts the questions of a task into English."""

    def __init__(self, config: ToEnglishConfig, where: str, languages: Sequence[str]):
        """Opens the translator, if the model is not to translate itself.

        Args:
          config: of the task.
          where: its dotted name, for errors.
          languages: of the questions.

        Raises:
          ConfigError: when the translator has no place, or not all of the languages.
          TranslatorError: for files, models or services that cannot be used.
        """
        self.config, self.where = config, where
        self.translator: Translator | None = None
        if config.by == 'model':
            return
        if not config.translator.place:
            raise ConfigError(
                f"{where}.translator.place is empty and {where}.by is 'translator'; expected the"
                " files, the model or the address of the translator, or by='model'"
            )
        self.translator = make_translator(config.translator)
        for code in languages:
            if code != SOURCE and not self.translator.supports(code, SOURCE):
                raise ConfigError(
                    f'{where}.translator has nothing from {code} into {SOURCE}; expected all of the'
                    " task's languages"
                )

    def questions(
        self, by_language: Mapping[str, Sequence[Question]], asked: 'Asked | None', task: str
    ) -> dict[str, list[Question]]:
        """The questions of each language in English.

        Args:
          by_language: of the variant `full`.
          asked: the model; None in mode prompts.
          task: its name, for the progress lines.

        Raises:
          ConfigError: without a model, if it is the model that translates.
        """
        if self.translator is None and asked is None:
            raise ConfigError(
                f"{self.where}.by is 'model', and the prompts of the variant {TRANSLATED} depend on"
                " what it writes: leave the variant out of mode prompts, or set by='translator'"
            )
        found = {}
        for code, questions in by_language.items():
            texts = list(dict.fromkeys(t for q in questions for t in (q.question, *q.choices)))
            translate = self._asks(asked, task) if asked and not self.translator else self._looks_up
            english = {
                text: translation.strip()
                for text, translation in zip(texts, translate(texts, code), strict=True)
                if isinstance(translation, str) and translation.strip()
            }
            if missing := len(texts) - len(english):
                logging.warning(
                    '%s: %d of %d texts in %s have no translation and stay as they are',
                    task, missing, len(texts), code,
                )  # fmt: skip
            found[code] = [in_english(question, english) for question in questions]
        return found

    def _looks_up(self, texts: Sequence[str], code: str) -> Sequence[str | Failed]:
        assert self.translator is not None
        with Progress(f'translating from {code}', unit='texts') as progress:
            progress.begin(len(texts))
            translations = self.translator.translate(texts, code, SOURCE)
            progress.update(len(texts))
        return translations

    def _asks(self, asked: 'Asked', task: str) -> Translate:
        def translate(texts: Sequence[str], code: str) -> Sequence[str | Failed]:
            prompts = [encode_prompt(asked.tokenizer, prompt(text, code)) for text in texts]
            what = f'{task}: {code} in English'
            written = asked.generate(prompts, self.config.new_tokens, ('\n',), what)
            return [metrics.without_thought(each.text) for each in written]

        return translate


def of_config(config: WithVariants, name: str) -> ToEnglish | None:
    """How a task puts its questions into English; None if it does not ask the variant.

    Raises:
      ConfigError: as `ToEnglish` does, or when the only language is English.
    """
    if TRANSLATED not in config.variants:
        return None
    where = f'config.tasks.{name}.to_english'
    if set(config.languages) <= {SOURCE}:
        raise ConfigError(
            f'config.tasks.{name}.variants has {TRANSLATED}, and config.tasks.{name}.languages is'
            f' {config.languages}; expected a language to translate from'
        )
    return ToEnglish(config.to_english, where, config.languages)


def prompt(text: str, code: str) -> str:
    """What the model continues with the English of a text: examples, the text, and 'English:'."""
    name = languages_lib.named(code).english_name
    examples = [
        pair
        for sentence, month in zip(SENTENCES, MONTHS, strict=True)
        for pair in (
            *([(sentence[code], sentence[SOURCE])] if code in sentence else []),
            (_month(month, code), _month(month, SOURCE)),
        )
    ]
    shown = [f'{name}: {theirs}\nEnglish: {ours}\n\n' for theirs, ours in examples]
    return f'{"".join(shown)}{name}: {text}\nEnglish:'


def in_english(question: Question, english: Mapping[str, str]) -> Question:
    """A question with the translations of its texts; those without one stay as they are.

    Its meta counts the latter as `untranslated`, and has `equal_options`: whether two options
    have the same translation, so that the first of them is taken for both.
    """
    texts = (question.question, *question.choices)
    asked, *choices = (english.get(text, text) for text in texts)
    counted = {
        'untranslated': sum(text not in english for text in texts),
        'equal_options': len({choice.casefold() for choice in choices}) < len(choices),
    }
    return dataclasses.replace(
        question,
        question=asked,
        choices=tuple(choices),
        language=SOURCE,
        choice_languages=(SOURCE,) * len(choices),
        meta={**question.meta, 'variant': 'full', 'sheet': SOURCE, **counted},
    )


def columns(question: Question) -> dict[str, object]:
    """The COLUMNS of an answer to a translated question."""
    return {name: question.meta[name] for name, _ in COLUMNS}


def _month(number: int, code: str) -> str:
    return languages_lib.locale(code).months['stand-alone']['wide'][number]
