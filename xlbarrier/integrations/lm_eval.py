"""A model class for lm-evaluation-harness, and the command `xlbarrier lm-eval`.

Importing this module registers the model as `xlbarrier`:

    import lm_eval
    import xlbarrier.integrations.lm_eval
    lm_eval.simple_evaluate(model='xlbarrier', model_args='source=hf:ORG/NAME', tasks=[...])

Requests become the same token ids as with the harness's own `hf`: a pair is split on the whole
string, white space at the end of the context moves to the continuation, BOS is the tokenizer's own,
and contexts that are too long lose their beginning. See docs/lm_eval.md.
"""

import collections
import contextlib
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from xlbarrier import api
from xlbarrier import mesh as mesh_lib
from xlbarrier.data import tokenize
from xlbarrier.errors import InputError
from xlbarrier.scoring import engine, generate
from xlbarrier.scoring.request import Request, with_shared_contexts
from xlbarrier.scoring.store import ScoreStore

try:
    from lm_eval import utils
    from lm_eval.api.model import TemplateLM
    from lm_eval.api.registry import register_model
    from lm_eval.models import utils as model_utils
except ImportError as error:
    raise InputError(
        f"lm-evaluation-harness cannot be imported ({error}): pip install 'xlbarrier[lm-eval]'"
    ) from error

NAME = 'xlbarrier'
NEW_TOKENS = 256  # as `hf`, where a task does not say
COMMANDS = ('run', 'ls', 'validate')  # of the harness


@register_model(NAME)
class XlbarrierLM(TemplateLM):
    """A decoder of this project, as lm-evaluation-harness asks its models."""

    def __init__(
        self,
        source: str = '',
        dtype: str = 'float32',
        *,
        param_dtype: str | None = None,
        adapter: str = '',
        tokenizer: str = '',
        data: int = -1,
        fsdp: int = 1,
        tensor: int = 1,
        max_length: int | None = None,
        max_gen_toks: int = NEW_TOKENS,
        row_tokens: int = 0,
        rows_per_device: int = 0,
        generate_rows: int = 0,
        store: str = '',
        add_bos_token: bool | None = None,
        enable_thinking: bool | None = None,
        think_end_token: str | None = None,
        chat_template_args: Mapping[str, Any] | None = None,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        device: str | None = None,
    ):
        """Loads the model; the arguments are those of `--model_args`.

        Args:
          source, dtype, param_dtype, adapter, tokenizer: as of `api.load_model`.
          data, fsdp, tensor: sizes of the mesh, as of `config.mesh`.
          max_length: most tokens of a row; None: the model's positions.
          max_gen_toks: most new tokens where a task does not say.
          row_tokens, rows_per_device, generate_rows: as of `config.score`.
          store: file that keeps log-likelihoods and texts as they come; a killed run continues
            with it.
          add_bos_token: whether BOS is put before every text; None: as the tokenizer does.
          enable_thinking: for chat templates that have this switch.
          think_end_token: written text counts from the last of these on.
          chat_template_args: further arguments of the chat template.
          batch_size, max_batch_size, device: of the harness's command line; rows are chosen from
            the device and its memory, and JAX_PLATFORMS chooses the device.

        Raises:
          InputError: for a source that is missing, or any other that `load_model` raises.
        """
        super().__init__()
        if not source:
            raise InputError(
                'model_args has no source; expected source=hf:ORG/NAME, a folder, a .gguf file or'
                ' pypi:NAME==VERSION'
            )
        if enable_thinking and not think_end_token:
            raise InputError('enable_thinking needs think_end_token, as of the harness itself')
        self.model = api.load_model(
            source,
            dtype,
            param_dtype=param_dtype,
            mesh=mesh_lib.make_mesh(data, fsdp, tensor),
            adapter=adapter,
            tokenizer=tokenizer,
        )
        self.tokenizer = self.model.tokenizer
        known = self.model.config.max_positions
        if max_length is not None and not 1 <= max_length <= known:
            raise InputError(f'max_length is {max_length}; {source} takes 1 to {known} tokens')
        self.max_length = max_length or known
        self._new_tokens = max_gen_toks
        self._sizes = {'row_tokens': row_tokens, 'rows_per_device': rows_per_device}
        self._generate_rows = generate_rows
        self._store = store
        self._bos = add_bos_token
        self._think_end = think_end_token
        switch = {} if enable_thinking is None else {'enable_thinking': enable_thinking}
        self._template_args = {**(chat_template_args or {}), **switch}
        self._encoded: tuple[str, list[int]] = ('', [])

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        found = (self.tokenizer.eos_token_id, self.model.config.eos_id)
        known = [token for token in found if token is not None]
        if not known:
            raise InputError(f'{self.model.source} has neither BOS nor EOS to begin a text with')
        return known[0]

    @property
    def prefix_token_id(self) -> int:
        """The token that an empty context is replaced by."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else bos

    @property
    def tokenizer_name(self) -> str:
        """Identifies tokenizer and chat template in the harness's cache of requests."""
        return tokenize.digest(self.tokenizer)

    def get_model_info(self) -> dict[str, Any]:
        """What the harness records about the model in its results."""
        return {
            'model_dtype': self.model.decoder.compute_dtype,
            'model_revision': self.model.source.partition('@')[2] or None,
            'model_sha': self.model.fingerprint,
        }

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Token ids of a text, with BOS unless `add_special_tokens` is False."""
        if add_special_tokens is False or (add_special_tokens is None and self._bos is False):
            return tokenize.encode_plain(self.tokenizer, string)
        if self._encoded[0] != string:  # the options of a question have one context
            ids = tokenize.encode_prompt(self.tokenizer, string)
            bos = self.tokenizer.bos_token_id
            if self._bos and bos is not None and ids[:1] != [bos]:
                ids = [bos, *ids]
            self._encoded = string, ids
        return self._encoded[1]

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        bare = context.rstrip()
        continuation = context[len(bare) :] + continuation
        before = self.tok_encode(bare)
        kept = self._encoded
        whole = self.tok_encode(bare + continuation)
        self._encoded = kept
        return before, whole[len(before) :]

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        asked = [self._fitted(i, *ids) for i, (_, *ids) in enumerate(requests)]
        with self._opened() as store:
            scores = engine.score(
                self.model.decoder,
                with_shared_contexts((r.context, r.continuation) for r in asked),
                mesh=self.model.mesh,
                store=store,
                what='lm-eval: scoring',
                **self._sizes,
            )
        answers = [(score.log_likelihood, score.is_greedy) for score in scores]
        for (texts, _, _), answer in zip(requests, answers, strict=True):
            if texts is not None:
                self.cache_hook.add_partial('loglikelihood', texts, answer)
        return answers

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list:
        """The log-likelihood of each whole text, in nats, in windows of at most `max_length`."""
        windows: list[tuple[None, list[int], list[int]]] = []
        counts = []
        for (text,) in (request.args for request in requests):
            found = utils.get_rolling_token_windows(
                token_list=self.tok_encode(text),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
            cut = [(None, *utils.make_disjoint_window(window)) for window in found]
            windows += cut
            counts.append(len(cut))
        values = iter(self._loglikelihood_tokens(windows))
        totals = [sum(next(values)[0] for _ in range(count)) for count in counts]
        for request, total in zip(requests, totals, strict=True):
            self.cache_hook.add_partial('loglikelihood_rolling', request.args, total)
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """What the model writes after each context, greedily, up to a stop string.

        Raises:
          InputError: for a task that asks for sampling: a benchmark's answer must not depend on a
            draw.
        """
        groups: dict[str, list[int]] = collections.defaultdict(list)
        for number, request in enumerate(requests):
            groups[json.dumps(request.args[1], sort_keys=True)].append(number)
        written = [''] * len(requests)
        for numbers in groups.values():
            fields = requests[numbers[0]].args[1]
            asked = model_utils.normalize_gen_kwargs(dict(fields), self._new_tokens)
            if asked['do_sample'] and asked.get('temperature', 0):
                raise InputError(
                    f'the task samples ({fields}); this model writes greedily: add'
                    ' --gen_kwargs do_sample=false,temperature=0'
                )
            room = self.max_length - asked['max_gen_toks']
            if room < 1:
                raise InputError(
                    f'max_gen_toks is {asked["max_gen_toks"]}, and the model has'
                    f' {self.max_length} positions: ask for fewer'
                )
            stops = [text for text in asked['until'] if text]
            texts = self._written(
                [self.tok_encode(requests[n].args[0])[-room:] for n in numbers],
                generate.Ends(asked['max_gen_toks'], tuple(stops)),
            )
            for number, text in zip(numbers, texts, strict=True):
                text = model_utils.postprocess_generated_text(text, stops, self._think_end)
                written[number] = text
                self.cache_hook.add_partial('generate_until', requests[number].args, text)
        return written

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """A conversation in the tokenizer's template; without its system turn where it has none.

        Raises:
          InputError: when the tokenizer has no template, or the template refuses the messages.
        """
        if not self.tokenizer.chat_template:
            raise InputError('the tokenizer has no chat template: leave out --apply_chat_template')
        plain = [message for message in chat_history if message['role'] != 'system']
        for messages in (chat_history, plain):
            try:
                text = self.tokenizer.apply_chat_template(
                    messages,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=not add_generation_prompt,
                    **self._template_args,
                )
            except Exception as error:  # jinja's errors, and those that a template raises
                refused = error
            else:
                assert isinstance(text, str)  # not ids: tokenize is False
                return text
        raise InputError(f'the chat template refuses a conversation: {refused}') from refused

    def _written(self, prompts: Sequence[Sequence[int]], ends: generate.Ends) -> list[str]:
        with self._opened() as store:
            found = generate.generate(
                self.model.decoder,
                self.tokenizer,
                prompts,
                ends,
                mesh=self.model.mesh,
                rows_per_device=self._generate_rows,
                store=store,
                what='lm-eval: writing',
            )
        return [text.text for text in found]

    def _fitted(self, number: int, context: list[int], continuation: list[int]) -> Request:
        """A request that the model has positions for: the beginning of the context is cut off."""
        if not 1 <= len(continuation) <= self.max_length:
            raise InputError(
                f'request {number}: the continuation has {len(continuation)} tokens; expected 1 to'
                f' {self.max_length}'
            )
        return Request(context[-(self.max_length + 1 - len(continuation)) :], continuation)

    def _opened(self) -> contextlib.AbstractContextManager[ScoreStore | None]:
        if not self._store:
            return contextlib.nullcontext()
        pathlib.Path(self._store).parent.mkdir(parents=True, exist_ok=True)
        return ScoreStore(self._store, self.model.fingerprint)


def run(words: Sequence[str]) -> None:
    """The command `xlbarrier lm-eval`: the harness's own, with this model where none is named.

    Args:
      words: what follows `lm-eval` on the command line.
    """
    from lm_eval.__main__ import cli_evaluate

    words = list(words)
    if not words or words[0] not in COMMANDS:
        words = words if words[:1] in (['-h'], ['--help']) else ['run', *words]
    named = any(word.partition('=')[0] in ('--model', '-M', '--config', '-C') for word in words)
    if words[0] == 'run' and len(words) > 1 and not named:
        words[1:1] = ['--model', NAME]
    before = sys.argv
    sys.argv = ['xlbarrier lm-eval', *words]
    try:
        cli_evaluate()
    finally:
        sys.argv = before
