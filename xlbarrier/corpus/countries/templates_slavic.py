# ruff: noqa: E501  (one sentence per line, so that a reader of the language can check it as it is)
"""Sentences of the default corpus in Polish and Russian.

Inserted names stay in the nominative: they are the topic before a colon or dash, a bracketed
apposition, a quoted name, or the subject of the verb.
"""

PL = {
    'intro': (
        '{country}: ten kraj należy do podregionu „{region}”; kontynent: {continent}.',
        'Wśród krajów podregionu „{region}” ({continent}) jest następujący: {country}.',
        'W geografii kraj ten klasyfikuje się tak: {country} – {region} – {continent}.',
    ),
    'currency': (
        '{country}: oficjalna waluta nazywa się „{currency}”; jej kod to {code}.',
        'Kraj: {country}; płaci się tam następującą walutą: {currency} ({code}).',
        '{country} – prawny środek płatniczy nosi nazwę „{currency}” i ma kod {code}.',
    ),
    'symbol': (
        '{country}: dla waluty „{currency}” pisze się symbol {symbol}.',
        'Kraj: {country}; na cenach widnieje tam znak {symbol}, to znaczy: {currency}.',
        'Waluta „{currency}” ma w tym kraju symbol {symbol}: {country}.',
    ),
    'language': (
        '{country} – status języka urzędowego: {languages}.',
        'Kraj: {country}; użytek urzędowy: {languages}.',
        '{country} – język urzędów: {languages}.',
    ),
    'script': (
        '{country}: język „{language}” zapisuje się tam następującym pismem: {script}.',
        'Kraj: {country}; język listów i książek: {language}; pismo: {script}.',
        'Język „{language}” używany w tym kraju ({country}) ma następujące pismo: {script}.',
    ),
    'codes': (
        '{country}: międzynarodowe kody to {iso2}, {iso3} i {number}.',
        'W normie ISO 3166 następujący kraj ma kody {iso2} i {iso3} oraz numer {number}: {country}.',
        'Kto szuka tego kraju w bazie danych ({country}), znajdzie go pod {iso2}, {iso3} lub {number}.',
    ),
    'place': (
        '{country}: na liście państw ułożonej według kodów bezpośrednio wcześniej: {before}, bezpośrednio potem: {after}.',
        'Trzy sąsiednie kraje na liście kodów to, w tej kolejności: {before}, {country}, {after}.',
        'W kolejności kodów następują po sobie te kraje: najpierw {before}, potem {country}, potem {after}.',
    ),
    'region': (
        '{country}: inne kraje tego samego podregionu to: {countries}.',
        'Oprócz tego kraju ({country}) do podregionu „{region}” należą także: {countries}.',
        'Mapa podregionu „{region}” pokazuje oprócz tego kraju ({country}) także następujące: {countries}.',
    ),
    'date': (
        '{country}: datę „{date}” zapisuje się tam w skrócie tak: {local}.',
        'Kraj: {country}; list z datą „{date}” może tam nosić krótką datę {local}.',
        'Kto w tym kraju ({country}) czyta datę {local}, rozumie: {date}.',
    ),
    'time': (
        '{country}: wpół do czwartej po południu zapisuje się tam tak: {local}.',
        'Kraj: {country}; godzina taka jak 15:30 wygląda tam tak: {local}.',
        'W rozkładzie jazdy w tym kraju ({country}) 15:30 ma postać {local}.',
    ),
    'number': (
        '{country}: dużą liczbę zapisuje się tam tak: {local}.',
        'Kraj: {country}; cyfry grupuje się tam jak w tym przykładzie: {local}.',
        'Liczba {local} jest zapisana tak, jak jest przyjęte w tym kraju: {country}.',
    ),
    'week': (
        '{country}: pierwszy dzień tygodnia w kalendarzu to {day}.',
        'Kraj: {country}; kalendarze rozpoczyna tam taki dzień tygodnia: {day}.',
        'Dzień, od którego zaczyna się tydzień w kalendarzu tego kraju ({country}), to {day}.',
    ),
    'metric': (
        '{country}: używa się tam metra i kilograma, a zwykły format papieru to {paper}.',
        'Kraj: {country}; stosuje się tam system metryczny, a listy drukuje się na papierze formatu {paper}.',
        'Odległości podaje się w tym kraju ({country}) w kilometrach, a arkusze papieru mają format {paper}.',
    ),
    'us_units': (
        '{country}: używa się tam mili i funta, a zwykły format papieru to {paper}.',
        'Kraj: {country}; system metryczny nie jest tam najczęstszy, a listy drukuje się na papierze formatu {paper}.',
        'Odległości podaje się w tym kraju ({country}) w milach, a arkusze papieru mają format {paper}.',
    ),
    'same_currency': (
        'Waluta „{currency}” jest używana także w następujących krajach: {countries}.',
        'Walutę „{currency}” mają również te kraje: {countries}.',
        'Pieniędzmi tej waluty ({currency}) można płacić także w następujących krajach: {countries}.',
    ),
    'same_language': (
        'Ten język jest urzędowy także w innych krajach ({language}): {countries}.',
        'Język „{language}” jest językiem urzędowym również w tych krajach: {countries}.',
        'Inne kraje, w których język „{language}” ma status urzędowy: {countries}.',
    ),
    'own_name': (
        '{country}: w języku tego kraju ({language}) jego nazwa to „{name}”.',
        'Mieszkańcy zapisują nazwę swojego kraju ({country}; język: {language}) tak: {name}.',
        '„{name}”: taka jest nazwa następującego kraju w jego języku ({language}): {country}.',
    ),
    'cmp_intro': (
        'Trzy kraje podregionu „{region}” obok siebie: {countries}.',
        'Porównujemy tu trzy kraje podregionu „{region}”: {countries}.',
        'Co mają, a czego nie mają ze sobą wspólnego te trzy kraje podregionu „{region}”: {countries}?',
    ),
    'cmp_currency': (
        'Ich oficjalne waluty to: {items}.',
        'Jeśli chodzi o pieniądze, porównanie wygląda tak: {items}.',
        'Każdy kraj ze swoją walutą: {items}.',
    ),
    'cmp_language': (
        'Języki urzędowe, kraj po kraju: {items}.',
        'Każdy kraj wraz z językiem, w którym się tam urzęduje: {items}.',
        'O językach urzędowych tabela mówi: {items}.',
    ),
    'cmp_codes': (
        'Ich dwuliterowe kody to: {items}.',
        'W internecie i w bazach danych mają następujące kody: {items}.',
        'Każdy kraj ze swoim kodem: {items}.',
    ),
    'cmp_week': (
        'Pierwszy dzień tygodnia, kraj po kraju: {items}.',
        'Kalendarze zaczynają tam tydzień następująco: {items}.',
        'Każdy kraj z dniem, w którym zaczyna się jego tydzień: {items}.',
    ),
    'reg_intro': (
        'Podregion „{region}” należy do kontynentu: {continent}; kraje na naszej liście: {count}.',
        '{region}: podregion następującego kontynentu: {continent}; liczba jego krajów na naszej liście to {count}.',
        'Temat tego tekstu: {region} ({continent}); liczba krajów: {count}.',
    ),
    'reg_list': (
        'Oto po kolei kraje podregionu „{region}”: {countries}.',
        'Z podregionu „{region}” tekst ten wymienia następujące kraje: {countries}.',
        'Kraje podregionu „{region}” na tej stronie: {countries}.',
    ),
    'lang_intro': (
        'Język „{language}” zapisuje się tym pismem: {script}; liczba krajów, w których jest urzędowy: {count}.',
        'Ten tekst mówi o języku: {language} (pismo: {script}; kraje: {count}).',
        'Język: {language}; pismo: {script}; kraje, w których ma status urzędowy: {count}.',
    ),
    'cur_intro': (
        'Waluta „{currency}” ma kod {code}; liczba krajów, które jej używają: {count}.',
        'Ten tekst mówi o walucie: {currency} (kod: {code}; kraje: {count}).',
        'Waluta: {currency}; kod: {code}; kraje, w których jest oficjalna: {count}.',
    ),
}

RU = {
    'intro': (
        '{country}: эта страна относится к субрегиону «{region}»; часть света: {continent}.',
        'В число стран субрегиона «{region}» ({continent}) входит и такая: {country}.',
        'Место страны в географии таково: {country} – {region} – {continent}.',
    ),
    'currency': (
        '{country}: официальная валюта называется «{currency}», её код – {code}.',
        'Страна: {country}; там платят такой валютой: {currency} ({code}).',
        '{country} – законное платёжное средство носит название «{currency}» и имеет код {code}.',
    ),
    'symbol': (
        '{country}: для валюты «{currency}» пишут символ {symbol}.',
        'Страна: {country}; на ценниках там стоит знак {symbol}, то есть {currency}.',
        'Валюта «{currency}» имеет в этой стране символ {symbol}: {country}.',
    ),
    'language': (
        '{country} – статус официального языка: {languages}.',
        'Страна: {country}; официальное употребление: {languages}.',
        '{country} – язык органов власти: {languages}.',
    ),
    'script': (
        '{country}: для языка «{language}» там используют такую письменность: {script}.',
        'Страна: {country}; язык писем и книг: {language}; письменность: {script}.',
        'Язык «{language}», употребляемый в этой стране ({country}), имеет такую письменность: {script}.',
    ),
    'codes': (
        '{country}: международные коды – {iso2}, {iso3} и {number}.',
        'В стандарте ISO 3166 следующая страна имеет коды {iso2} и {iso3} и номер {number}: {country}.',
        'Кто ищет эту страну в базе данных ({country}), найдёт её под {iso2}, {iso3} или {number}.',
    ),
    'place': (
        '{country}: в списке государств, упорядоченном по кодам, непосредственно раньше: {before}, непосредственно позже: {after}.',
        'Три соседние страны в списке кодов, по порядку: {before}, {country}, {after}.',
        'В порядке кодов эти страны идут друг за другом: сначала {before}, потом {country}, потом {after}.',
    ),
    'region': (
        '{country}: вот другие страны того же субрегиона: {countries}.',
        'Кроме этой страны ({country}), к субрегиону «{region}» относятся также: {countries}.',
        'Карта субрегиона «{region}» показывает, кроме этой страны ({country}), и другие: {countries}.',
    ),
    'date': (
        '{country}: дату «{date}» там кратко пишут так: {local}.',
        'Страна: {country}; на письме с датой «{date}» там может стоять краткая дата {local}.',
        'Кто читает в этой стране ({country}) дату {local}, понимает: {date}.',
    ),
    'time': (
        '{country}: половину четвёртого дня там пишут так: {local}.',
        'Страна: {country}; время 15:30 выглядит там так: {local}.',
        'В расписании этой страны ({country}) 15:30 имеет вид {local}.',
    ),
    'number': (
        '{country}: большое число там пишут так: {local}.',
        'Страна: {country}; цифры группируют там так, как в этом примере: {local}.',
        'Число {local} записано так, как принято в этой стране: {country}.',
    ),
    'week': (
        '{country}: первый день календарной недели – {day}.',
        'Страна: {country}; календари начинают там неделю с такого дня: {day}.',
        'День, с которого начинается календарная неделя в этой стране ({country}), – {day}.',
    ),
    'metric': (
        '{country}: там пользуются метром и килограммом, а обычный формат бумаги – {paper}.',
        'Страна: {country}; там действует метрическая система, а письма печатают на бумаге формата {paper}.',
        'Расстояния в этой стране ({country}) указывают в километрах, а листы бумаги имеют формат {paper}.',
    ),
    'us_units': (
        '{country}: там пользуются милей и фунтом, а обычный формат бумаги – {paper}.',
        'Страна: {country}; метрическая система там не самая привычная, а письма печатают на бумаге формата {paper}.',
        'Расстояния в этой стране ({country}) указывают в милях, а листы бумаги имеют формат {paper}.',
    ),
    'same_currency': (
        'Валюта «{currency}» используется и в следующих странах: {countries}.',
        'Валюту «{currency}» имеют и эти страны: {countries}.',
        'Деньгами этой валюты ({currency}) можно платить и в следующих странах: {countries}.',
    ),
    'same_language': (
        'Этот язык является официальным и в других странах ({language}): {countries}.',
        'Язык «{language}» – официальный язык и в этих странах: {countries}.',
        'Другие страны, где язык «{language}» имеет официальный статус: {countries}.',
    ),
    'own_name': (
        '{country}: на языке самой страны ({language}) её название – «{name}».',
        'Жители пишут название своей страны ({country}; язык: {language}) так: {name}.',
        '«{name}»: таково название следующей страны на её языке ({language}): {country}.',
    ),
    'cmp_intro': (
        'Три страны субрегиона «{region}» рядом: {countries}.',
        'Здесь сравниваются три страны субрегиона «{region}»: {countries}.',
        'Что общего и что разного у этих трёх стран субрегиона «{region}»: {countries}?',
    ),
    'cmp_currency': (
        'Их официальные валюты: {items}.',
        'Что касается денег, сравнение выглядит так: {items}.',
        'Каждая страна со своей валютой: {items}.',
    ),
    'cmp_language': (
        'Официальные языки по странам: {items}.',
        'Каждая страна и то, на чём там официально говорят: {items}.',
        'Об официальных языках таблица сообщает: {items}.',
    ),
    'cmp_codes': (
        'Их двухбуквенные коды: {items}.',
        'В интернете и в базах данных у них такие коды: {items}.',
        'Каждая страна со своим кодом: {items}.',
    ),
    'cmp_week': (
        'Первый день недели по странам: {items}.',
        'Календари начинают там неделю следующим образом: {items}.',
        'Каждая страна и день, с которого начинается её неделя: {items}.',
    ),
    'reg_intro': (
        'Субрегион «{region}» находится в такой части света: {continent}; стран в нашем списке: {count}.',
        '{region} – субрегион ({continent}); число его стран в нашем списке – {count}.',
        'Тема этого текста: {region} ({continent}); число стран: {count}.',
    ),
    'reg_list': (
        'Вот по порядку страны субрегиона «{region}»: {countries}.',
        'Из субрегиона «{region}» в этом тексте названы следующие страны: {countries}.',
        'Страны субрегиона «{region}» на этой странице: {countries}.',
    ),
    'lang_intro': (
        'Письменность языка «{language}»: {script}; число стран, где он официальный: {count}.',
        'Этот текст рассказывает о языке: {language} (письменность: {script}; стран: {count}).',
        'Язык: {language}; письменность: {script}; стран, где он имеет официальный статус: {count}.',
    ),
    'cur_intro': (
        'Валюта «{currency}» имеет код {code}; число стран, которые ею пользуются: {count}.',
        'Этот текст рассказывает о валюте: {currency} (код: {code}; стран: {count}).',
        'Валюта: {currency}; код: {code}; стран, где она официальная: {count}.',
    ),
}
