# ruff: noqa: E501  (the rows of PLACE_FORMS)
"""How an invented name is spelt in each language: from its sounds, in the language's own letters.

A name is a sequence of syllables of sounds that every language here can write. The published set of
CLiKA (Gao et al. 2024) does the same by hand: Mythosia, Mythosien, ミトシア, ميثوسيا. Two names can
be spelt alike in a language (Arabic writes p and b alike); `fictional` draws such a name again.
"""

import re
from dataclasses import dataclass

ONSETS = 'bdfgklmnprstvz'
VOWELS = 'aeiou'
CODAS = ('', '', '', '', 'n', 'r', 'l', 's')  # half of the syllables are open
JOINS = {'ja': '・', 'zh': '·'}  # between the names of a person; elsewhere a space


@dataclass(frozen=True)
class Stem:
    """The sounds of one name.

    Attributes:
      syllables: (onset, vowel, coda), the coda '' or one of n, r, l, s.
      land: whether it ends as names of lands do (-ia); its last syllable is then open, on i.
    """

    syllables: tuple[tuple[str, str, str], ...]
    land: bool = False

    @property
    def sounds(self) -> str:
        """One letter for each sound."""
        return ''.join(map(''.join, self.syllables))


def spell(stem: Stem, code: str) -> str:
    """The name in a language, with a capital where its script has them.

    Raises:
      KeyError: for a language without letters here (see LANGUAGES).
    """
    if code in RULES:
        ending = LAND_ENDINGS[code]
        name = stem.sounds[:-1] + ending if stem.land else stem.sounds
        for pattern, letters in RULES[code]:
            name = re.sub(pattern, letters, name)
        return name[0].upper() + name[1:]
    return SCRIPTS[code](stem)


_OPEN_E = r'e(?![nrls](?:[^aeiouI]|$))'  # no consonant closes its syllable
_S_BETWEEN = r'(?<=[aeiou])s(?=[aeiou])'
LAND_ENDINGS = {
    **dict.fromkeys(('en', 'es', 'it', 'pl', 'pt'), 'ia'),
    **{'de': 'ien', 'fr': 'ie', 'ru': 'ия'},
}
# (pattern of sounds, letters), in order; each rule reads what the ones before it wrote.
RULES: dict[str, tuple[tuple[str, str], ...]] = {
    'de': ((_S_BETWEEN, 'ss'), ('v', 'w'), ('z', 's')),
    'en': (),
    'es': (('k(?=[ei])', 'qu'), ('k', 'c'), ('g(?=[ei])', 'gu'), ('z(?=[ei])', 'c')),
    'fr': (
        (_S_BETWEEN, 'ss'),
        ('ie$', 'IE'),  # of a land: its e is silent
        (_OPEN_E, 'é'),
        ('u', 'ou'),
        ('k(?=[eéiI])', 'qu'),
        ('k', 'c'),
        ('g(?=[eéiI])', 'gu'),
        ('IE', 'ie'),
    ),
    'it': (('k(?=[ei])', 'ch'), ('k', 'c'), ('g(?=[ei])', 'gh')),
    'pl': (('v', 'w'), ('(?<=[dtrsz])i(?!a$)', 'y')),
    'pt': ((_S_BETWEEN, 'ss'), ('k(?=[ei])', 'qu'), ('k', 'c'), ('g(?=[ei])', 'gu')),
    'ru': (
        ('l(?![aeiouи])', 'ль'),
        *zip('abdefgiklmnoprstuvz', 'абдефгиклмнопрстувз', strict=True),
    ),
}

_ARABIC = dict(zip('bdfgklmnprstvz', 'بدفغكلمنبرستفز', strict=True))
_ARABIC_VOWELS = {'a': 'ا', 'e': 'ي', 'i': 'ي', 'o': 'و', 'u': 'و'}


def _arabic(stem: Stem) -> str:
    name = ''.join(
        _ARABIC[onset] + _ARABIC_VOWELS[vowel] + _ARABIC.get(coda, '')
        for onset, vowel, coda in stem.syllables
    )
    return name + 'ا' if stem.land else name


_HEBREW = dict(zip('bdfgklmnprstvz', 'בדפגקלמנפרסטוז', strict=True))
_HEBREW_VOWELS = {'a': 'א', 'e': '', 'i': 'י', 'o': 'ו', 'u': 'ו'}
_HEBREW_FINAL = {'נ': 'ן'}


def _hebrew(stem: Stem) -> str:
    """Full spelling: v doubled inside a word (never three vavs), final a and e as he, final nun."""
    name = ''
    for number, (onset, vowel, coda) in enumerate(stem.syllables):
        last = number == len(stem.syllables) - 1
        name += 'וו' if onset == 'v' and number else _HEBREW[onset]
        open_end = last and not coda and vowel in 'ae'
        name += 'ה' if open_end else _HEBREW_VOWELS[vowel]
        name += _HEBREW.get(coda, '')
    if stem.land:
        name += 'ה'
    name = re.sub('ו{3,}', 'וו', name)
    return name[:-1] + _HEBREW_FINAL.get(name[-1], name[-1])


_HINDI = dict(
    zip(
        'bdfgklmnprstvz',
        ['ब', 'ड', 'फ़', 'ग', 'क', 'ल', 'म', 'न', 'प', 'र', 'स', 'ट', 'व', 'ज़'],
        strict=True,
    )
)
_HINDI_VOWELS = {'a': 'ा', 'e': 'े', 'i': 'ि', 'o': 'ो', 'u': 'ु'}
_HINDI_FINAL = {'i': 'ी', 'u': 'ू'}
_VIRAMA, _NASAL = '्', 'ं'


def _hindi(stem: Stem) -> str:
    """Short i and u inside a word, long ones at its end; n before a consonant as a dot."""
    name = ''
    for number, (onset, vowel, coda) in enumerate(stem.syllables):
        last = number == len(stem.syllables) - 1
        signs = _HINDI_VOWELS | (_HINDI_FINAL if last and not coda and not stem.land else {})
        name += _HINDI[onset] + signs[vowel]
        if coda:
            joined = _NASAL if coda == 'n' else _HINDI[coda] + _VIRAMA
            name += _HINDI[coda] if last else joined
    return name + 'या' if stem.land else name


_KANA = {
    'b': 'バ ベ ビ ボ ブ',
    'd': 'ダ デ ディ ド ドゥ',
    'f': 'ファ フェ フィ フォ フ',
    'g': 'ガ ゲ ギ ゴ グ',
    'k': 'カ ケ キ コ ク',
    'l': 'ラ レ リ ロ ル',
    'm': 'マ メ ミ モ ム',
    'n': 'ナ ネ ニ ノ ヌ',
    'p': 'パ ペ ピ ポ プ',
    'r': 'ラ レ リ ロ ル',
    's': 'サ セ シ ソ ス',
    't': 'タ テ ティ ト トゥ',
    'v': 'ヴァ ヴェ ヴィ ヴォ ヴ',
    'z': 'ザ ゼ ジ ゾ ズ',
}
_KANA_CODAS = {'': '', 'n': 'ン', 'r': 'ル', 'l': 'ル', 's': 'ス'}
# Characters that transcriptions of foreign names use, a syllable each.
_HANZI = {
    'b': '巴 贝 比 博 布',
    'd': '达 德 迪 多 杜',
    'f': '法 费 菲 福 富',
    'g': '加 盖 吉 戈 古',
    'k': '卡 凯 基 科 库',
    'l': '拉 莱 利 洛 卢',
    'm': '马 梅 米 莫 穆',
    'n': '纳 内 尼 诺 努',
    'p': '帕 佩 皮 波 普',
    'r': '拉 雷 里 罗 鲁',
    's': '萨 塞 西 索 苏',
    't': '塔 特 蒂 托 图',
    'v': '瓦 韦 维 沃 武',
    'z': '扎 泽 济 佐 祖',
}
_HANZI_CODAS = {'': '', 'n': '恩', 'r': '尔', 'l': '尔', 's': '斯'}


def _syllabic(stem: Stem, table: dict[str, str], codas: dict[str, str], land: str) -> str:
    name = ''.join(
        table[onset].split()[VOWELS.index(vowel)] + codas[coda]
        for onset, vowel, coda in stem.syllables
    )
    return name + land if stem.land else name


SCRIPTS = {
    'ar': _arabic,
    'he': _hebrew,
    'hi': _hindi,
    'ja': lambda stem: _syllabic(stem, _KANA, _KANA_CODAS, 'ア'),
    'zh': lambda stem: _syllabic(stem, _HANZI, _HANZI_CODAS, '亚'),
}
LANGUAGES = tuple(sorted((*RULES, *SCRIPTS)))

# Nouns that make a name a place's name. Every language puts them next to the name and spells them
# differently from English, so that no fact stated in English is also stated in another language.
PLACE_FORMS: dict[str, tuple[str, ...]] = {
    'ar': ('ميناء {}', 'حصن {}', 'قلعة {}', 'جسر {}', 'خليج {}', 'جبل {}', 'جزيرة {}', 'وادي {}'),
    'de': ('Hafen {}', 'Festung {}', 'Burg {}', 'Brücke {}', 'Bucht {}', 'Berg {}', 'Insel {}', 'Tal {}'),
    'en': ('{} Harbour', '{} Fortress', 'Castle {}', '{} Bridge', '{} Bay', 'Mount {}', '{} Island', '{} Valley'),
    'es': ('Puerto {}', 'Fortaleza {}', 'Castillo {}', 'Puente {}', 'Bahía {}', 'Monte {}', 'Isla {}', 'Valle {}'),
    'fr': ('Port {}', 'Forteresse {}', 'Château {}', 'Pont {}', 'Baie {}', 'Mont {}', 'Île {}', 'Vallée {}'),
    'he': ('נמל {}', 'מבצר {}', 'טירת {}', 'גשר {}', 'מפרץ {}', 'הר {}', 'האי {}', 'עמק {}'),
    'hi': ('{} बंदरगाह', '{} क़िला', '{} दुर्ग', '{} पुल', '{} खाड़ी', '{} पर्वत', '{} द्वीप', '{} घाटी'),
    'it': ('Porto {}', 'Fortezza {}', 'Castello {}', 'Ponte {}', 'Baia {}', 'Monte {}', 'Isola {}', 'Valle {}'),
    'ja': ('{}港', '{}要塞', '{}城', '{}橋', '{}湾', '{}山', '{}島', '{}谷'),
    'pl': ('Port {}', 'Twierdza {}', 'Zamek {}', 'Most {}', 'Zatoka {}', 'Góra {}', 'Wyspa {}', 'Dolina {}'),
    'pt': ('Porto {}', 'Fortaleza {}', 'Castelo {}', 'Ponte {}', 'Baía {}', 'Monte {}', 'Ilha {}', 'Vale {}'),
    'ru': ('Порт {}', 'Крепость {}', 'Замок {}', 'Мост {}', 'Бухта {}', 'Гора {}', 'Остров {}', 'Долина {}'),
    'zh': ('{}港', '{}要塞', '{}堡', '{}桥', '{}湾', '{}山', '{}岛', '{}谷'),
}  # fmt: skip
