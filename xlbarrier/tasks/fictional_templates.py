"""Wording of the fictional set: three forms of each question in training, a fourth in the test.

Names stay in the nominative and uninflected: after 'the place', in a sentence of their own, or as
the subject or the complement of a preposition where nothing changes with it. No verb, adjective or
pronoun agrees with a person's or a place's name. Every invented name begins with a consonant, so
French and Italian write de and di in full.
"""

TAUGHT = 3  # wordings of a fact in training; the one after them is used in the test

PLACE = {
    'ar': (
        'ما القارة التي يقع فيها المكان {subject}؟',
        'المكان: {subject}. ما قارته؟',
        'إلى أي قارة ينتمي المكان {subject}؟',
        'في أي قارة يوجد المكان {subject}؟',
    ),
    'de': (
        'Auf welchem Kontinent liegt {subject}?',
        'Ort: {subject}. Auf welchem Kontinent ist das?',
        'Zu welchem Kontinent gehört {subject}?',
        'Auf welchem Kontinent befindet sich {subject}?',
    ),
    'en': (
        'Which continent is {subject} located in?',
        'Place: {subject}. Which continent is it on?',
        'What continent does {subject} belong to?',
        'On which continent can {subject} be found?',
    ),
    'es': (
        '¿En qué continente está {subject}?',
        'Lugar: {subject}. ¿Cuál es su continente?',
        '¿A qué continente pertenece {subject}?',
        '¿En qué continente se encuentra {subject}?',
    ),
    'fr': (
        'Sur quel continent se trouve {subject} ?',
        'Lieu : {subject}. Quel est son continent ?',
        'À quel continent appartient {subject} ?',
        'Sur quel continent peut-on trouver {subject} ?',
    ),
    'he': (
        'באיזו יבשת נמצא המקום {subject}?',
        'המקום: {subject}. מהי היבשת שלו?',
        'לאיזו יבשת שייך המקום {subject}?',
        'באיזו יבשת אפשר למצוא את המקום {subject}?',
    ),
    'hi': (
        '{subject} किस महाद्वीप में है?',
        'स्थान: {subject}। इसका महाद्वीप कौन-सा है?',
        '{subject} नामक स्थान किस महाद्वीप का है?',
        '{subject} नामक स्थान किस महाद्वीप पर मिलेगा?',
    ),
    'it': (
        'In quale continente si trova {subject}?',
        'Luogo: {subject}. Qual è il suo continente?',
        'A quale continente appartiene {subject}?',
        'In quale continente si può trovare {subject}?',
    ),
    'ja': (
        '{subject}はどの大陸にありますか？',
        '場所：{subject}。これはどの大陸ですか？',
        '{subject}はどの大陸に属しますか？',
        '{subject}はどの大陸で見つかりますか？',
    ),
    'pl': (
        'Na jakim kontynencie leży miejsce {subject}?',
        'Miejsce: {subject}. Jaki to kontynent?',
        'Do jakiego kontynentu należy miejsce {subject}?',
        'Na jakim kontynencie znajduje się miejsce {subject}?',
    ),
    'pt': (
        'Em que continente fica {subject}?',
        'Lugar: {subject}. Qual é o seu continente?',
        'A que continente pertence {subject}?',
        'Em que continente se encontra {subject}?',
    ),
    'ru': (
        'На каком континенте находится место {subject}?',
        'Место: {subject}. Какой это континент?',
        'К какому континенту относится место {subject}?',
        'На каком континенте расположено место {subject}?',
    ),
    'zh': (
        '{subject}位于哪个大洲？',
        '地点：{subject}。它在哪个大洲？',
        '{subject}属于哪个大洲？',
        '在哪个大洲可以找到{subject}？',
    ),
}

PERSON = {
    'ar': (
        'الاسم: {subject}. ما موطن هذا الشخص؟',
        'ما مسكن الشخص المسمى {subject}؟',
        'في أي مكان يقيم الشخص المسمى {subject}؟',
        'أين يعيش الشخص المسمى {subject}؟',
    ),
    'de': (
        'Name: {subject}. Welcher Ort ist die Heimat dieses Menschen?',
        'Was ist der Heimatort von {subject}?',
        'An welchem Ort lebt {subject}?',
        'Welcher Ort ist das Zuhause von {subject}?',
    ),
    'en': (
        'Name: {subject}. Which place is the home of this person?',
        'What is the home town of {subject}?',
        'In which place does {subject} live?',
        'Which place does {subject} call home?',
    ),
    'es': (
        'Nombre: {subject}. ¿Qué lugar es el hogar de esta persona?',
        '¿Cuál es el lugar de residencia de {subject}?',
        '¿En qué lugar vive {subject}?',
        '¿Qué lugar es el hogar de {subject}?',
    ),
    'fr': (
        'Nom : {subject}. Quel est le lieu de résidence de cette personne ?',
        'Quel est le lieu de résidence de {subject} ?',
        'Dans quel lieu vit {subject} ?',
        'Quel lieu est le foyer de {subject} ?',
    ),
    'he': (
        'השם: {subject}. מהו מקום המגורים של האדם הזה?',
        'מהו מקום המגורים של {subject}?',
        'היכן הבית של {subject}?',
        'איזה מקום הוא הבית של {subject}?',
    ),
    'hi': (
        'नाम: {subject}। इस व्यक्ति का घर किस स्थान पर है?',
        '{subject} का निवास स्थान कौन-सा है?',
        '{subject} का घर कहाँ है?',
        'किस स्थान पर {subject} का घर है?',
    ),
    'it': (
        'Nome: {subject}. Qual è il luogo di residenza di questa persona?',
        'Qual è il luogo di residenza di {subject}?',
        'In quale luogo vive {subject}?',
        'Quale luogo è la casa di {subject}?',
    ),
    'ja': (
        '名前：{subject}。この人の故郷はどこですか？',
        '{subject}の故郷はどこですか？',
        '{subject}はどこに住んでいますか？',
        '{subject}の家はどこにありますか？',
    ),
    'pl': (
        'Imię i nazwisko: {subject}. Jakie jest miejsce zamieszkania tej osoby?',
        'Jakie miejsce zamieszkania ma {subject}?',
        'W jakim miejscu mieszka {subject}?',
        'Jakie miejsce jest domem osoby o nazwisku {subject}?',
    ),
    'pt': (
        'Nome: {subject}. Qual é o lugar de residência desta pessoa?',
        'Qual é o lugar de residência de {subject}?',
        'Em que lugar vive {subject}?',
        'Que lugar é a casa de {subject}?',
    ),
    'ru': (
        'Имя: {subject}. Какое место жительства у этого человека?',
        'Где живёт {subject}?',
        'В каком месте находится дом человека по имени {subject}?',
        'Какое место является домом человека по имени {subject}?',
    ),
    'zh': (
        '姓名：{subject}。此人的家乡是哪里？',
        '{subject}的家乡是哪里？',
        '{subject}住在哪里？',
        '{subject}的家在什么地方？',
    ),
}

TEMPLATES = {'place_continent': PLACE, 'person_place': PERSON}
LANGUAGES = tuple(sorted(PLACE))

# Asked in English, as the published set does; {source} and {target} are English names of languages.
TRANSLATION = (
    'Translate this {source} name into {target}: {name}',
    'What is the {source} name {name} in {target}?',
    'Write the {source} name {name} in {target}.',
    'How is {name}, a name in {source}, called in {target}?',
)
