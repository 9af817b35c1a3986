"""Answers that are right or partly right but not listed by CLDR; they are never distractors."""

# Zone -> countries of the same part of the world with a city of that name in some language: Porto
# Novo of Cape Verde, Vienne in France, Los Ángeles in Chile ...
ALSO_THERE = {
    'Africa/Porto-Novo': ('CV',),
    'America/La_Paz': ('AR', 'PY', 'UY'),
    'America/Los_Angeles': ('CL',),
    'America/Santo_Domingo': ('CU',),
    'America/St_Johns': ('AG',),
    'America/Vancouver': ('US',),
    'Europe/Vienna': ('FR',),
}

# Country -> currencies that are legal or customary tender in addition to its own.
ALSO_TENDER = {'BN': ('SGD',), 'LR': ('USD',), 'SG': ('BND',), 'SZ': ('ZAR',)}

# Country -> languages with an official standing in the whole, a part, or a use of it (the
# constitutions and language laws; for Italy law 482/1999), or in dispute.
ALSO_SPOKEN = {
    'AR': ('gn', 'qu'),
    'BN': ('en',),
    'BO': ('gn',),
    'BR': ('gn',),
    'CO': ('en', 'qu'),
    'CZ': ('sk',),
    'DE': ('da',),
    'DZ': ('tzm',),
    'ET': ('so', 'ti'),
    'HR': ('sr',),
    'IT': ('ca', 'de', 'el', 'hr', 'sl', 'sq'),
    'LK': ('en',),
    'LY': ('tzm',),
    'MD': ('bg', 'ru', 'uk'),
    'MR': ('fr', 'wo'),
    'MY': ('en',),
    'NI': ('en',),
    'PE': ('ay',),
    'RO': ('hu',),
    'RU': ('uk',),
    'RW': ('sw',),
    'SI': ('hu', 'it'),
    'SK': ('cs', 'hu'),
    'SS': ('ar', 'sw'),
    'TJ': ('ru',),
    'TL': ('en', 'id'),
    'TZ': ('ar',),
    'UZ': ('ru',),
    'XK': ('bs', 'tr'),
    'ZM': ('ny',),
    'ZW': ('ny', 'st', 'tn'),
}

VARIETIES = frozenset({'gsw', 'nb', 'nn'})  # of other languages in CLDR's list

# Countries of two continents, or counted with one by some and with another by others.
TWO_CONTINENTS = frozenset({'AM', 'AZ', 'CY', 'EG', 'GE', 'ID', 'KZ', 'RU', 'TL', 'TR'})

# Languages of which two scripts are in use, or one by law and another in fact; and no language.
SCRIPT_IN_DOUBT = frozenset(
    (
        *('az', 'ban', 'bej', 'bm', 'bs', 'bug', 'bua', 'byn', 'crh', 'cu', 'ff', 'gon', 'ha'),
        *('jv', 'kaa', 'kab', 'kk', 'kok', 'kru', 'ks', 'ku', 'lad', 'mak', 'man', 'mn', 'mni'),
        *('ms', 'new', 'pa', 'rif', 'sa', 'sd', 'shi', 'sr', 'su', 'tg', 'tk', 'tmh', 'tzm', 'ug'),
        *('und', 'uz', 'vai', 'wal', 'zh'),
    )
)

# Language and code: what CLDR calls by another's name. Jayapura is Jaipur in Ukrainian, and the
# rupee of Mauritius is that of Mauritania in Bengali.
MISNAMED = frozenset({('uk', 'Asia/Jayapura'), ('bn', 'MUR')})
