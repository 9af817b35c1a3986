"""Text that a model writes to itself before it answers, which is never its answer."""

import re

# Marks of thought: (opening, closing). Of Qwen, DeepSeek, GLM, Nemotron and many more; EXAONE Deep;
# Reka; Magistral; Command A; Sky-T1 and OpenThinker; Seed-OSS; Kimi; MedGemma; Apertus; Gemma 4;
# gpt-oss, whose answer is in a channel of its own.
MARKS = (
    (r'<think>', r'</think>'),
    (r'<thinking>', r'</thinking>'),
    (r'<thought>', r'</thought>'),
    (r'<thoughts>', r'</thoughts>'),
    (r'<reasoning>', r'</reasoning>'),
    (r'<reflection>', r'</reflection>'),
    (r'<scratchpad>', r'</scratchpad>'),
    (r'<analysis>', r'</analysis>'),
    (r'\[THINK\]', r'\[/THINK\]'),
    (r'<\|START_THINKING\|>', r'<\|END_THINKING\|>'),
    (r'<\|begin_of_thought\|>', r'<\|end_of_thought\|>'),
    (r'<seed:think>', r'</seed:think>'),
    (r'◁think▷', r'◁/think▷'),
    (r'<unused94>', r'<unused95>'),
    (r'<\|inner_prefix\|>', r'<\|inner_suffix\|>'),
    (r'<\|channel>thought', r'<channel\|>'),
    (
        r'(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)(?:<\|message\|>)?',
        r'<\|channel\|>final<\|message\|>',
    ),
    # The marks of gpt-oss as they are left where special tokens are not decoded.
    (r'\Aanalysis(?=[A-Z])', r'assistantfinal'),
)
_OPENING = re.compile('|'.join(opening for opening, _ in MARKS), re.IGNORECASE)
_CLOSING = re.compile('|'.join(closing for _, closing in MARKS), re.IGNORECASE)
# What some families put around the answer itself.
_ANSWER_MARK = re.compile(
    r'</?(?:answer|response|solution|output)>|<\|(?:START|END)_RESPONSE\|>'
    r'|<\|(?:begin|end)_of_solution\|>',
    re.IGNORECASE,
)


def without_thought(text: str) -> str:
    """The text that is not thought.

    What follows the last closing mark is read, up to an opening mark after it: a thought
    that does not end is thought to the end. The opening mark may be missing, because some chat
    templates write it as the last token of the prompt. Where nothing follows the thought,
    what comes before its opening mark is read.
    """
    if not any(c in text for c in '<[◁') and not text.startswith('analysis'):
        return text  # most answers: no pattern needs to be tried
    first = _OPENING.search(text)
    start = 0
    for closing in _CLOSING.finditer(text):
        start = closing.end()
    unclosed = _OPENING.search(text, start)
    if not first and not start:
        return _ANSWER_MARK.sub(' ', text) if '<' in text else text
    behind = text[start : unclosed.start() if unclosed else len(text)]
    before = text[: first.start()] if first else ''
    return _ANSWER_MARK.sub(' ', behind if behind.strip() else before)
