"""The questions' wording in each language.

Names are inserted as CLDR lists them (nominative, no article), so the sentences leave them
uninflected: a city is the subject of its question, and a country is named before it is asked about.
In Arabic and Hebrew the verbs agree with a city, which is feminine in both. In Polish and Russian
some cities are plurals (Athens), so the verb agrees with the word for city.
"""

TEMPLATES = {
    'city_country': {
        'ar': 'في أي بلد تقع {subject}؟',
        'de': 'In welchem Land liegt {subject}?',
        'en': 'In which country is {subject}?',
        'es': '¿En qué país está {subject}?',
        'fr': 'Dans quel pays se trouve {subject} ?',
        'he': 'באיזו מדינה נמצאת {subject}?',
        'hi': '{subject} किस देश में है?',
        'it': 'In quale paese si trova {subject}?',
        'ja': '{subject}はどの国にありますか？',
        'pl': 'W jakim kraju leży miasto {subject}?',
        'pt': 'Em que país fica {subject}?',
        'ru': 'В какой стране находится город {subject}?',
        'zh': '{subject}位于哪个国家？',
    },
    'country_currency': {
        'ar': 'البلد: {subject}. ما عملته الرسمية؟',
        'de': 'Land: {subject}. Wie heißt dort die offizielle Währung?',
        'en': 'Country: {subject}. What is its official currency?',
        'es': 'País: {subject}. ¿Cuál es su moneda oficial?',
        'fr': 'Pays : {subject}. Quelle est sa monnaie officielle ?',
        'he': 'המדינה: {subject}. מהו המטבע הרשמי שלה?',
        'hi': 'देश: {subject}। इसकी आधिकारिक मुद्रा क्या है?',
        'it': 'Paese: {subject}. Qual è la sua valuta ufficiale?',
        'ja': '国名：{subject}。この国の法定通貨は何ですか？',
        'pl': 'Kraj: {subject}. Jaka jest tam oficjalna waluta?',
        'pt': 'País: {subject}. Qual é a sua moeda oficial?',
        'ru': 'Страна: {subject}. Какая валюта является там официальной?',
        'zh': '国家：{subject}。该国的法定货币是什么？',
    },
    'country_language': {
        'ar': 'البلد: {subject}. ما هي لغته الرسمية؟',
        'de': 'Land: {subject}. Welche Sprache ist dort Amtssprache?',
        'en': 'Country: {subject}. Which language is official there?',
        'es': 'País: {subject}. ¿Qué idioma es oficial allí?',
        'fr': 'Pays : {subject}. Quelle langue y est officielle ?',
        'he': 'המדינה: {subject}. איזו שפה היא שפה רשמית בה?',
        'hi': 'देश: {subject}। वहाँ की आधिकारिक भाषा कौन-सी है?',
        'it': 'Paese: {subject}. Quale lingua è ufficiale in questo paese?',
        'ja': '国名：{subject}。この国の公用語は何語ですか？',
        'pl': 'Kraj: {subject}. Jaki język jest tam językiem urzędowym?',
        'pt': 'País: {subject}. Que língua é oficial nesse país?',
        'ru': 'Страна: {subject}. Какой язык является там официальным?',
        'zh': '国家：{subject}。该国的官方语言是什么？',
    },
}

LANGUAGES = tuple(sorted(TEMPLATES['city_country']))
