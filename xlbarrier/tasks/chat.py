"""Prompts in the tokenizer's chat template, for models that were tuned for chat.

The rules are those of lm-evaluation-harness: off by default; a prompt, with its instruction,
demonstrations and answer cue, is one user message; the answer follows the generation prompt
without a space before it.
"""

import dataclasses
from dataclasses import dataclass
from typing import Protocol

from xlbarrier.data.tokenize import PreTrainedTokenizerFast
from xlbarrier.errors import InputError
from xlbarrier.tasks.base import Prompt

OPEN, CLOSE = '<think>', '</think>'


class ChatFields(Protocol):
    """The fields of a task's config that this module reads."""

    @property
    def chat(self) -> bool:
        """Whether prompts go through the chat template."""

    @property
    def system(self) -> str:
        """Text of the system message; '': none."""

    @property
    def thinking(self) -> bool:
        """Whether the model thinks before it answers, if the template has a switch for it."""


@dataclass(frozen=True)
class Chat:
    """How prompts are put into a conversation.

    Attributes:
      where: the task's place in the config, for errors.
      system, thinking: see `ChatFields`.
    """

    where: str
    system: str = ''
    thinking: bool = False

    def text(self, prompt: str, tokenizer: PreTrainedTokenizerFast | None) -> str:
        """A prompt as the user's message, up to the beginning of the model's turn.

        Without `thinking`, a thought that the template opens is closed immediately.

        Raises:
          InputError: when the tokenizer has no chat template, or the template refuses the messages.
        """
        assert tokenizer is not None, 'a task with needs_tokenizer was given none'
        if not tokenizer.chat_template:
            raise InputError(
                f'{self.where}.chat is True, and the tokenizer has no chat template: set it to'
                ' False, or use a model that was tuned for chat'
            )
        messages = [{'role': 'system', 'content': self.system}] if self.system else []
        messages.append({'role': 'user', 'content': prompt})
        try:
            text = tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=True,
                # Published templates use either name.
                enable_thinking=self.thinking,
                thinking=self.thinking,
            )
        except Exception as error:  # jinja's errors, and those that a template raises
            advice = f'; leave {self.where}.system empty?' if self.system else ''
            raise InputError(
                f"{self.where}.chat: the tokenizer's chat template refuses a conversation of"
                f' {" and ".join(message["role"] for message in messages)}: {error}{advice}'
            ) from error
        if not isinstance(text, str) or prompt.strip() not in text:
            raise InputError(
                f"{self.where}.chat: the tokenizer's chat template does not render the user's"
                f' message ({str(text)[:80]!r}): set chat to False'
            )
        if not self.thinking and text.rstrip().endswith(OPEN):
            text = f'{text.rstrip()}\n\n{CLOSE}\n\n'
        return text

    def prompt(self, prompt: Prompt, tokenizer: PreTrainedTokenizerFast | None) -> Prompt:
        """A multiple-choice prompt as a conversation; continuations lose their leading spaces."""
        return dataclasses.replace(
            prompt,
            context=self.text(prompt.context, tokenizer),
            continuations=tuple(text.lstrip(' ') for text in prompt.continuations),
            unconditional=self.text(prompt.unconditional, tokenizer),
        )


def chat_of(config: ChatFields, name: str) -> Chat | None:
    """The chat of a task's config; None if it is off.

    Raises:
      InputError: for system text or thinking without chat.
    """
    if config.chat:
        return Chat(f'config.tasks.{name}', config.system, config.thinking)
    if config.system or config.thinking:
        field = 'system' if config.system else 'thinking'
        raise InputError(
            f'config.tasks.{name}.{field} is {getattr(config, field)!r} and'
            f' config.tasks.{name}.chat is False: {field} is part of a chat; set chat to True'
        )
    return None
