"""The recipes of both papers, resolved, against their published settings.

PUBLISHED is typed from the papers' repositories: FT/ft_config.yaml, MMLU/scripts and the released
models of Chua et al. 2024, TOFU's finetune.yaml, trainFull.sh and trainLora.sh of CLiKA.
"""

import pytest

from xlbarrier import config as config_lib
from xlbarrier.config import ConfigError, flags
from xlbarrier.qa import templates
from xlbarrier.qa.forms import Example

VARIANTS = (
    *('english', 'full', 'question', 'options', 'gt', 'gt_question'),
    *('onewrong', 'threewrong', 'mixup'),
)
FIVE = ['en', 'fr', 'de', 'es', 'it']
FINETUNE = {
    'train.method': 'full', 'train.steps': 0, 'train.epochs': 1, 'train.batch_rows': 16,
    'train.learning_rate': 2e-5, 'train.weight_decay': 0.01, 'train.row_tokens': 500,
    'train.schedule': 'rising', 'train.pad': True, 'seed': 42, 'corpus.languages': FIVE,
    'tasks.mmlu.shots': 0, 'tasks.mmlu.variants': [*VARIANTS], 'tasks.mmlu.languages': FIVE,
    'tasks.mmlu_5_english.shots': 5, 'tasks.mmlu_5_english.demos': 'english',
    'tasks.mmlu_5_same.shots': 5, 'tasks.mmlu_5_same.demos': 'same',
    'tasks.mmlu_5_same.variants': [*VARIANTS], 'score.letter_tokens': 'published',
    'tasks.hp_quiz.source': 'hf:cross-ling-know/HarryPotter-Quiz',
}  # fmt: skip
CLIKA = {
    'train.steps': 0, 'train.epochs': 3, 'train.schedule': 'cosine', 'train.warmup_steps': 0,
    'train.pad': True, 'tasks.conductivity.gate': 0.9, 'arms': ['data'],
}  # fmt: skip
LORA = {
    'train.method': 'lora', 'train.batch_rows': 128, 'train.lora_rank': 128,
    'train.lora_alpha': 16, 'train.lora_dropout': 0.1,
}  # fmt: skip
AWARE = {'shots': 0, 'variants': ['mixup']}
PUBLISHED = {
    'chua_finetune:llama2-7b,wikitext2,english': {
        **FINETUNE, 'model.source': 'hf:meta-llama/Llama-2-7b-hf', 'arms': ['english'],
        'corpus.text.subset': 'wikitext-2-raw-v1', 'train.snapshots': [],
    },
    'chua_finetune:llama2-7b,wikitext2,document': {**FINETUNE, 'corpus.unit': 'document'},
    'chua_finetune:llama3-8b,wikitext2,sentence': {
        **FINETUNE, 'model.source': 'hf:meta-llama/Meta-Llama-3-8B', 'corpus.unit': 'sentence',
        'arms': ['english', 'mixed'],
    },
    'chua_finetune:llama3-8b,wikitext103,words:8': {
        **FINETUNE, 'corpus.unit': 'words:8', 'corpus.text.subset': 'wikitext-103-raw-v1',
        'train.snapshots': [200, 400, 600, 800], 'corpus.filters.rows': '',
    },
    'chua_finetune:llama2-7b,wikitext103-hp,words:8': {
        **FINETUNE, 'corpus.text.subset': 'wikitext-103-raw-v1', 'train.snapshots': [],
        'corpus.filters.rows': 'data/HP_related_index_for_wikitext-103.json',
    },
    'chua_small:words:8': {  # as published, except what its docstring lists
        'seed': 42, 'seeds': [0, 1, 2], 'arms': ['mixed'], 'corpus.unit': 'words:8',
        'corpus.seed': 42, 'train.schedule': 'rising', 'train.warmup_steps': 0,
        'train.weight_decay': 0.01, 'train.snapshots': [],
    },
    'chua_unseen': {
        **{k: v for k, v in FINETUNE.items() if not k.startswith('tasks.')},
        'tasks.mmlu_unseen.languages': [
            *('ms', 'da', 'fi', 'no', 'bn', 'am', 'ru', 'zh', 'he', 'ar', 'hi')
        ],
        'tasks.mmlu_seen.languages': FIVE,
    },
    'chua_mmlu': {
        'tasks.mmlu.shots': 0, 'tasks.mmlu.intervention': -1, 'tasks.mmlu.option_ids': 'ABCD',
        'tasks.mmlu.languages': FIVE, 'tasks.mmlu.variants': [*VARIANTS],
        'tasks.mmlu_5_same.shots': 5, 'score.letter_tokens': 'published',
        **{f'tasks.mmlu_aware_{i}.{k}': v for i in (0, 1) for k, v in AWARE.items()},
        'tasks.mmlu_aware_0.intervention': 0, 'tasks.mmlu_aware_1.intervention': 1,
        'tasks.mmlu_translate.shots': 5, 'tasks.mmlu_translate.demos': 'same',
        'tasks.mmlu_translate.intervention': 2, 'tasks.mmlu_translate.methods': ['generate'],
        'tasks.mmlu_translate.variants': ['mixup'], 'tasks.mmlu_ids_1234.option_ids': '1234',
        'tasks.mmlu_ids_CDEF.option_ids': 'CDEF', 'tasks.mmlu_16.shots': None,
    },
    'chua_mmlu:data,mmlu_16': {
        'tasks.mmlu.shots': None,
        'tasks.mmlu_16.languages': [
            *FIVE, *('ms', 'da', 'fi', 'no', 'bn', 'am', 'ru', 'zh', 'he', 'ar', 'hi')
        ],
    },
    'chua_tofu': {
        'train.steps': 0, 'train.epochs': 5, 'train.batch_rows': 16, 'train.learning_rate': 1e-5,
        'train.weight_decay': 0.01, 'train.schedule': 'linear', 'train.warmup_steps': 250,
        'train.pad': True, 'data.template': 'tofu-llama2', 'tasks.tofu.template': 'tofu-llama2',
        'arms': ['data'], 'seed': 42,
    },
    'chua_translation': {
        'tasks.translation.prompt': 'alma', 'tasks.translation.shots': 0,
        'tasks.translation.limit': 100, 'tasks.translation.languages': ['de', 'fr', 'es', 'it'],
    },
    'chua_embedding': {
        'tasks.embedding.texts': 1000, 'tasks.embedding.languages': ['fr', 'de', 'es', 'it'],
        'tasks.embedding.rates': [0.16, 4 * 0.16], 'tasks.embedding.dropped': True, 'mode': 'eval',
        'tasks.embedding.text.subset': 'wikitext-103-raw-v1',
    },
    'chua_embedding:llama3-8b,wikitext103,sentence': {
        **{k: v for k, v in FINETUNE.items() if not k.startswith('tasks.')},
        'tasks.embedding.texts': 1000, 'mode': 'study',
    },
    'clika_conductivity:s,de': {
        **CLIKA, 'train.method': 'full', 'train.learning_rate': 2e-5, 'train.batch_rows': 64,
        'tasks.conductivity.template': 'clika', 'tasks.conductivity.languages': ['en', 'de'],
    },
    'clika_conductivity:s,de,lora,vicuna': {
        **CLIKA, **LORA, 'train.learning_rate': 2e-4, 'train.lora_targets': ['q', 'v'],
        'tasks.conductivity.template': 'vicuna',
    },
    **{
        f'clika_rates:s,{rate}': {
            **CLIKA, **LORA, 'train.learning_rate': float(rate),
            'model.source': 'hf:baichuan-inc/Baichuan2-13B-Chat',
            'tasks.conductivity.languages': ['en', 'zh'],
            'tasks.conductivity.template': 'baichuan2', 'tasks.x_csqa.shots': 1,
            'tasks.x_geo.shots': 1,
        }
        for rate in ('1e-4', '2e-4', '4e-4', '8e-4')
    },
    'clika:s,chat,x_geo': {'tasks.x_geo.chat': True, 'tasks.x_geo.shots': 1},
    'clika_groups:s,llama2': {'tasks.x_csqa.shots': 1, 'tasks.x_name.shots': 1},
    'clika_german:s': {
        'rescore.languages': ['en', 'de'],
        'rescore.reference': 'llama2_13b',
        'rescore.models': [
            *('llama2_13b', 'LeoLM_leo_hessianai_13b', 'LeoLM_leo_hessianai_13b_chat')
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize('recipe', PUBLISHED)
def test_a_recipe_resolves_with_the_published_values(recipe):
    resolved = dict(config_lib.flatten(config_lib.to_dict(flags.read(recipe, []))))
    expected = PUBLISHED[recipe]
    assert {name: resolved.get(name) for name in expected} == expected


def test_the_released_models_are_those_of_the_hub():
    config = flags.read('chua_released', [])
    found = config.model.named
    texts = (
        *('wiki2-en', 'wiki2-mixed-lang-document', 'wiki2-mixed-lang-sentence'),
        *('wiki2-mixed-lang-sentence8words', 'wiki103-en', 'wiki103-mixed-lang-sentence'),
        'wiki103-mixed-lang-sentence8words',
    )
    expected = {f'hf:cross-ling-know/{m}-{t}' for m in ('llama2-7b', 'llama3-8b') for t in texts}
    assert len(expected) == 14
    series = {
        f'hf:Cross-ling-mem/llama3-8b-wikitext103-{text}-{step}steps'
        for text in ('en', 'mixed-sentence', 'mixed-sentence8words')
        for step in (200, 400, 600, 800)
    }
    expected |= series | {'hf:Cross-ling-mem/llama2-7b-wikitext103-hp-mixed-sentence8words'}
    assert set(found.values()) == expected | {'hf:meta-llama/Meta-Llama-3-8B'}
    assert config.model.source == 'hf:meta-llama/Llama-2-7b-hf'
    assert config.model.compute_dtype == config.model.param_dtype == 'float32'
    llama3 = flags.read('chua_released:llama3-8b', [])
    assert llama3.model.source == 'hf:meta-llama/Meta-Llama-3-8B'
    assert len(llama3.model.named) == 7 + 12


@pytest.mark.parametrize(
    ('recipe', 'words'),
    [
        ('chua_finetune:llama2-7b', 'expected MODEL,CORPUS,UNIT'),
        ('chua_finetune:llama2-7b,wikitext3,sentence', 'one of wikitext2, wikitext103'),
        ('chua_finetune:llama2-7b,wikitext2,words:9', 'one of english, document'),
        ('chua_finetune:llama2-7b,wikitext2,sentence,more', 'expected MODEL,CORPUS,UNIT'),
        ('chua_released:llama4', 'expected one of llama2-7b, llama3-8b'),
        ('clika_conductivity:s,de,full,lora', 'at most one of full, lora'),
        ('clika_groups:s,gpt', 'expected SETS,FAMILY with llama2'),
    ],
)
def test_what_a_recipe_does_not_know_is_named(recipe, words):
    with pytest.raises(ConfigError, match=words):
        flags.read(recipe, [])


OTHERS = 'model.others'


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({OTHERS: 'a=x,a=y'}, 'others is .*; expected each name once'),
        ({OTHERS: 'base=x'}, "others names 'base'"),
        ({OTHERS: 'a/b=x'}, "expected the form 'NAME=hf:ORG/MODEL'"),
        ({OTHERS: 'a=x', 'mode': 'study'}, 'others is .* measured in mode eval'),
        ({'tasks.mmlu.option_ids': 'ABCA'}, "option_ids is 'ABCA'; expected each once"),
        ({'tasks.mmlu.option_ids': 'ABC'}, 'expected four letters or digits'),
        ({'tasks.mmlu_translate.option_ids': '1234'}, 'methods has generate'),
    ],
)
def test_fields_that_do_not_fit_are_named(fields, words):
    with pytest.raises(ConfigError, match=words):
        flags.read('chua_mmlu', list(fields.items()))


# As LLaMA-Factory and BayLing print them, with the parts of the system text that are not its end.
ENDS = {
    'clika': 'completes the request.\n\n### Instruction:\nTo German?\nMara\n\n### Response:\n',
    'llama2': 'false information.\n<</SYS>>\n\nTo German?\nMara [/INST]',
    'llama2-zh': '助手。\n<</SYS>>\n\nTo German?\nMara [/INST]',
    'vicuna': "answers to the user's questions. USER: To German?\nMara ASSISTANT:",
    'baichuan2': '<reserved_106>To German?\nMara<reserved_107>',
    'bayling': 'the request.\n\n### Instruction:\nTo German?\nMara\n### Response:\n',
    'hessianai': '<|im_start|>user\nTo German?\nMara<|im_end|>\n<|im_start|>assistant\n',
    'raw': 'To German?\nMara',
}


@pytest.mark.parametrize('template', ENDS)
def test_the_templates_of_clika(template):
    example = Example('here', 'prompt_input', 'To German?', 'Mara', 'Mara-Klippe')
    context, gap, answer = templates.parts(example, template)
    assert context.endswith(ENDS[template]) and answer == 'Mara-Klippe'
    assert gap == (' ' if context[-1] in ':]' else '')
    starts = {'llama2': '[INST] <<SYS>>\n', 'llama2-zh': '[INST] <<SYS>>\n', 'vicuna': 'A chat'}
    assert context.startswith(starts.get(template, context[:1]))
