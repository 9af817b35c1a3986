"""How text is cut before byte-pair encoding, by the name that llama.cpp gives the rule.

`tokenizer.ggml.pre` of a GGUF file is one of these names. The rules are facts of the models: of
each, the regular expression of the tokenizer.json that its makers publish, or where llama.cpp's
src/llama-vocab.cpp has several one after another, those. Where llama.cpp passes over something
that tokenizer.json does (Qwen's and Cohere's NFC), tokenizer.json is followed: the model was
trained with it.
"""

from dataclasses import dataclass

from tokenizers import Regex, normalizers, pre_tokenizers


@dataclass(frozen=True)
class Rule:
    """One way to cut.

    Attributes:
      splits: regular expressions; each cuts what the ones before it have left into its matches and
        what is between them.
      nfc: whether text is normalised to NFC first.
      whole_words: whether a word that is a token is taken whole, even if no merges lead to it.
      adds_bos: llama.cpp's default where the file has no `add_bos_token`.
    """

    splits: tuple[str, ...]
    nfc: bool = False
    whole_words: bool = False
    adds_bos: bool = False

    def pre_tokenizer(self) -> pre_tokenizers.PreTokenizer:
        """The cuts, then letters for bytes."""
        steps: list[pre_tokenizers.PreTokenizer] = [
            pre_tokenizers.Split(Regex(split), 'isolated') for split in self.splits
        ]
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
        return pre_tokenizers.Sequence(steps)

    def normalizer(self) -> normalizers.Normalizer | None:
        """What is done to text before it is cut."""
        return normalizers.NFC() if self.nfc else None


_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r'\s*[\r\n]+|\s+(?!\S)|\s+'
_MARKS = r' ?[^\s\p{L}\p{N}]+[\r\n]*'
_WORD = r'[^\r\n\p{L}\p{N}]?\p{L}+'


def _words(digits: str, marks: str = _MARKS, spaces: str = _SPACES) -> str:
    return f'{_CONTRACTIONS}|{_WORD}|{digits}|{marks}|{spaces}'


def _cased(after: str, digits: str) -> str:
    """Words end where a small letter is followed by a capital."""
    first = r'[^\r\n\p{L}\p{N}]?'
    upper, lower = r'[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]', r'[\p{Ll}\p{Lm}\p{Lo}\p{M}]'
    marks = r' ?[^\s\p{L}\p{N}]+[\r\n/]*'
    return (
        f'{first}{upper}*{lower}+{after}|{first}{upper}+{lower}*{after}|{digits}|{marks}|{_SPACES}'
    )


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DIGIT, DIGITS_3 = r'\p{N}', r'\p{N}{1,3}'
LLAMA3, QWEN2 = _words(DIGITS_3), _words(DIGIT)
GPT4O = _cased(f'{_CONTRACTIONS}?', DIGITS_3)
_QWEN35 = (
    rf'{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}'
    rf'| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}'
)
_DEEPSEEK3 = (
    r'\p{N}{1,3}',
    '[一-龥぀-ゟ゠-ヿ]+',
    r'[!"#$%&' + r"'" + r'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+'
    r'|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*' + f'|{_SPACES}',
)
# The letters of alphabets with capitals that DeepSeek LLM's tokenizer.json lists.
_DEEPSEEK_LETTERS = (
    'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ'
    'Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ'
    '\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ'
    '𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃'
)
_HAN_TO_HANGUL = '[一-龥ࠀ-一가-\ud7ff]+'
_SENTENCE_MARKS = r' ?[^(\s|.,!?…。，、।۔،)]+'

_GPT2, _DIGITS = Rule((GPT2,)), Rule((DIGIT, GPT2))
_LLAMA3 = Rule((LLAMA3,), whole_words=True, adds_bos=True)
_TIKTOKEN, _QWEN2 = Rule((LLAMA3,)), Rule((QWEN2,), nfc=True)
# Without a name, or with the name 'default': llama.cpp's rule, which is no model's own.
DEFAULT = Rule((r'[\p{P}\$\+<=>\^~\|]+', GPT2, r'\p{N}+', '[0-9][0-9][0-9]'))

RULES = {
    'default': DEFAULT,
    **dict.fromkeys(('gpt-2', 'phi-2', 'mpt', 'jais', 'exaone4', 'trillion', 'gigachat'), _GPT2),
    **dict.fromkeys(('a.x-4.0', 'mellum', 'granite-docling'), _GPT2),
    'olmo': Rule((GPT2,), nfc=True),
    **dict.fromkeys(('smollm', 'starcoder', 'refact', 'codeshell', 'exaone'), _DIGITS),
    **dict.fromkeys(('minerva-7b', 'mellum2'), _DIGITS),
    'command-r': Rule((DIGIT, GPT2), nfc=True),
    **dict.fromkeys(('llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'pixtral'), _LLAMA3),
    'midm-2.0': _LLAMA3,
    **dict.fromkeys(('dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'), _TIKTOKEN),
    **dict.fromkeys(('qwen2', 'deepseek-r1-qwen', 'kormo', 'megrez'), _QWEN2),
    **dict.fromkeys(('stablelm2', 'hunyuan', 'solar-open', 'grok-2'), Rule((QWEN2,))),
    'qwen35': Rule((_QWEN35,), nfc=True),
    'tekken': Rule((_cased('', DIGIT),), whole_words=True, adds_bos=True),
    **dict.fromkeys(('gpt-4o', 'llama4', 'kanana2', 'minimax-m2'), Rule((GPT4O,))),
    **dict.fromkeys(('tiny_aya', 'cohere2moe'), Rule((r'\d{1,3}(?=(?:\d{3})*\b)', GPT4O))),
    'deepseek-llm': Rule(
        (
            r'[\r\n]',
            rf'\s?[{_DEEPSEEK_LETTERS}]+',
            r'\s?[!-/:-~！-／：-～‘-‟\u3000-。]+',
            r'\s+$',
            _HAN_TO_HANGUL,
            r'\p{N}+',
        )
    ),
    'deepseek-coder': Rule((r'[\r\n]', r'\s?\p{L}+', r'\s?\p{P}+', _HAN_TO_HANGUL, r'\p{N}')),
    **dict.fromkeys(('deepseek-v3', 'hunyuan-dense', 'joyai-llm'), Rule(_DEEPSEEK3)),
    'falcon': Rule((r'[\p{P}\$\+<=>\^~\|`]+', GPT2, '[0-9][0-9][0-9]')),
    **dict.fromkeys(('bloom', 'poro-chat', 'gpt3-finnish'), Rule((_SENTENCE_MARKS,))),
    'viking': Rule((_SENTENCE_MARKS, r'\p{N}')),
    **dict.fromkeys(
        ('bailingmoe', 'bailingmoe2', 'llada-moe'),
        Rule((_words(DIGIT, spaces=r'\s*[\r\n]|\s+(?!\S)|\s+'),)),
    ),
    'seed-coder': Rule((_words(DIGIT, r' ?[^\s\p{L}\p{N}\r\n]+'),)),
}
