"""Examples written out as text, and which stretches of it are the answer.

  plain        Question: {question}\\nAnswer: {answer}, as the tasks here ask; the space before the
               answer belongs to it
  raw          {question}{answer}, as they are
  alpaca       Taori et al. 2023, train.py of tatsu-lab/stanford_alpaca, byte for byte: nothing
               is between '### Response:' and the answer
  clika        Gao et al. 2024, fictional/trainFull.sh: the template `alpaca` of LLaMA-Factory as it
               was then (src/llmtuner/extras/template.py), which is not Alpaca's own: the input
               is in the line after the prompt. It tokenised the parts one by one; here the text is
               one string
  tofu         Maini et al. 2024, config/model_config.yaml of locuslab/tofu for Phi and others: the
               tag 'Answer: ' is learned too, as data_module.py masks the question alone
  tofu-llama2  the same for Llama 2: [INST] {question} [/INST]{answer}
  llama2, llama2-zh, vicuna, baichuan2
               the other templates of LLaMA-Factory that Gao et al. 2024 named, with their system
               texts; a template that ends in a word is followed by a space, which is learned
  bayling      of ictnlp/BayLing (bayling/conversation.py); in no published LLaMA-Factory
  hessianai    ChatML, as the model card of LeoLM/leo-hessianai-13b-chat has it, without a system
               text; in no published LLaMA-Factory either
  chat         the tokenizer's own chat template; the assistant's turns are learned, with the token
               that ends them

`auto` takes chat for conversations, alpaca for instruction/input/output, clika for
prompt/input/answer, plain for question/answer and inputs/targets, raw for prompt/completion. Where
a form has an input of its own and a template no place for it, the input is in the line after the
question. EOS follows each but chat, whose template ends a turn itself.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from xlbarrier.data.tokenize import PreTrainedTokenizerFast
from xlbarrier.datafiles import DataError
from xlbarrier.qa.forms import Example

AUTO = {
    'messages': 'chat',
    'instruction': 'alpaca',
    'prompt_input': 'clika',
    'question': 'plain',
    'inputs': 'plain',
    'completion': 'raw',
}
# Alpaca's with an input and without.
ALPACA_INPUT = (
    'Below is an instruction that describes a task, paired with an input that provides further'
    ' context. Write a response that appropriately completes the request.\n\n'
    '### Instruction:\n{question}\n\n### Input:\n{input}\n\n### Response:'
)
ALPACA = (
    'Below is an instruction that describes a task. Write a response that appropriately completes'
    ' the request.\n\n### Instruction:\n{question}\n\n### Response:'
)
# System texts, of LLaMA-Factory except the last.
LLAMA2 = (
    'You are a helpful, respectful and honest assistant. Always answer as helpfully as possible,'
    ' while being safe.  Your answers should not include any harmful, unethical, racist, sexist,'
    ' toxic, dangerous, or illegal content. Please ensure that your responses are socially unbiased'
    ' and positive in nature.\n\nIf a question does not make any sense, or is not factually'
    " coherent, explain why instead of answering something not correct. If you don't know the"
    " answer to a question, please don't share false information."
)
LLAMA2_ZH = 'You are a helpful assistant. 你是一个乐于助人的助手。'
VICUNA = (
    'A chat between a curious user and an artificial intelligence assistant. The assistant gives'
    " helpful, detailed, and polite answers to the user's questions."
)
BAYLING = (
    'I am an intelligent language assistant developed by the NLP Group of ICT/CAS.\nBelow is a'
    ' dialog consisting of instructions and responses. Write a response that completes the request.'
)
# Of each template the context, and what comes right before the answer and is learned with it.
PROMPTS = {
    'plain': ('Question: {question}\nAnswer:', ' '),
    'raw': ('{question}', ''),
    'clika': (ALPACA + '\n', ''),
    'tofu': ('Question: {question}\n', 'Answer: '),
    'tofu-llama2': ('[INST] {question} [/INST]', ''),
    'llama2': (f'[INST] <<SYS>>\n{LLAMA2}\n<</SYS>>\n\n{{question}} [/INST]', ' '),
    'llama2-zh': (f'[INST] <<SYS>>\n{LLAMA2_ZH}\n<</SYS>>\n\n{{question}} [/INST]', ' '),
    'vicuna': (f'{VICUNA} USER: {{question}} ASSISTANT:', ' '),
    'baichuan2': ('<reserved_106>{question}<reserved_107>', ''),
    'bayling': (f'{BAYLING}\n\n### Instruction:\n{{question}}\n### Response:\n', ''),
    'hessianai': ('<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n', ''),
}


class Written(NamedTuple):
    """An example as text.

    Attributes:
      text: all of it.
      spans: (start, end) in characters of the answers.
      eos: whether the tokenizer's EOS follows.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    eos: bool


def write(
    example: Example,
    template: str,
    tokenizer: PreTrainedTokenizerFast | None,
    loss: str = 'answer',
) -> Written:
    """An example by a template, a key of PROMPTS or 'auto', 'alpaca', 'chat'.

    Args:
      example: to be written.
      template: see above.
      tokenizer: whose chat template 'chat' takes; the others need none.
      loss: 'answer', or 'all': the spans then are the whole text.

    Raises:
      DataError: naming the file and row: for a conversation that the template cannot contain,
        or a chat template that cannot be used.
    """
    if template == 'auto':
        template = AUTO[example.form]
    if template == 'chat':
        assert tokenizer is not None, "template 'chat' needs a tokenizer"
        written = _chat(example, tokenizer)
    else:
        context, between, answer = parts(example, template)
        text = context + between + answer
        written = Written(text, ((len(context), len(text)),), True)
    return written if loss == 'answer' else written._replace(spans=((0, len(written.text)),))


def parts(example: Example, template: str) -> tuple[str, str, str]:
    """Context, what comes right before the answer, and the answer, which are the example's text.

    Raises:
      DataError: naming the file and row, for a conversation of more than a question and an answer.
    """
    question, about, answer = example.question, example.input, example.answer
    if example.form == 'messages':
        roles = [role for role, _ in example.messages]
        if roles != ['user', 'assistant']:
            raise DataError(
                f'{example.where}: a conversation of {", ".join(roles)}; the template'
                f" '{template}' has a place for one question and one answer: set"
                " config.data.template to 'chat'"
            )
        (_, question), (_, answer) = example.messages
    if template == 'alpaca':
        prompt = ALPACA_INPUT if about else ALPACA
        # Not str.format twice: a question may have braces.
        return prompt.format(question=question, input=about), '', answer
    prompt, between = PROMPTS[template]
    if about.strip():
        question = f'{question}\n{about}'
    return prompt.format(question=question), between, answer


def _chat(example: Example, tokenizer: PreTrainedTokenizerFast) -> Written:
    if not tokenizer.chat_template:
        raise DataError(
            f'{example.where}: the tokenizer has no chat template: set config.data.template to one'
            f' of {", ".join((*PROMPTS, "alpaca"))}'
        )
    turns = example.messages or (
        ('user', f'{example.question}\n{example.input}' if example.input else example.question),
        ('assistant', example.answer),
    )
    messages = [{'role': role, 'content': content} for role, content in turns]
    whole = _render(tokenizer, messages, example.where)
    spans = []
    for i, (role, content) in enumerate(turns):
        if role != 'assistant' or i < example.learned:
            continue
        before = _render(tokenizer, messages[:i], example.where, add_generation_prompt=True)
        through = _render(tokenizer, messages[: i + 1], example.where)
        bare = _render(tokenizer, messages[:i], example.where)
        if before == bare or not through.startswith(before):
            # No generation prompt, or one that begins a thought, which a turn that is past has not
            # (DeepSeek-R1): the header ends where another answer makes another text.
            other = {'role': role, 'content': 'b' if content.lstrip()[0] == 'a' else 'a'}
            changed = _render(tokenizer, [*messages[:i], other], example.where)
            pairs = zip(through, changed, strict=False)
            header = through[: sum(1 for _ in itertools.takewhile(lambda p: p[0] == p[1], pairs))]
            if before == bare or (before.startswith(header) and len(header) > len(bare)):
                before = header
        span = _turn(whole, before, through, content.strip(), tokenizer.eos_token or '')
        if span is None:
            last = i == len(turns) - 1
            raise DataError(
                f"{example.where}: the tokenizer's chat template writes message {i} otherwise"
                + (
                    ' than behind its own generation prompt, so that its place is not clear: set'
                    ' config.data.template to another'
                    if last
                    else ' once others follow it, so that its place is not clear: cut the'
                    ' conversation there'
                )
            )
        spans.append(span)
    return Written(whole, tuple(spans), False)


def _turn(whole: str, before: str, through: str, content: str, eos: str) -> tuple[int, int] | None:
    """The span of a turn in the whole, from after its header through the token that ends it.

    Args:
      whole: the conversation.
      before: what is before the turn, with its header.
      through: the conversation up to the turn, as it would be written if it ended there.
      content: the turn's text.
      eos: of the tokenizer.
    """
    end = through.rstrip()
    if not whole.startswith(end):  # Phi 3 writes EOS once, behind the last turn
        end = end.removesuffix(eos).rstrip()
    if through.startswith(before) and whole.startswith(end):
        return len(before), len(end)
    # Qwen 3 writes an empty thought into the last turn alone.
    turn = content + through.rpartition(content)[2].rstrip()
    return (len(before), len(before + turn)) if whole.startswith(before + turn) else None


def _render(
    tokenizer: PreTrainedTokenizerFast,
    messages: Sequence[dict[str, str]],
    where: str,
    add_generation_prompt: bool = False,
) -> str:
    try:
        return str(
            tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=add_generation_prompt
            )
        )
    except Exception as error:  # jinja's own, and what a template raises on roles it does not know
        raise DataError(f"{where}: the tokenizer's chat template refuses it: {error}") from error
