# ruff: noqa: E501  (one sentence per line, so that a reader of the language can check it as it is)
"""Sentences of the default corpus in Spanish and Portuguese; names are bare, after a colon."""

ES = {
    'intro': (
        '{country}: este país forma parte de la subregión «{region}», en el siguiente continente: {continent}.',
        'Entre los países de la subregión «{region}» ({continent}) está este: {country}.',
        'En geografía el país se clasifica así: {country} – {region} – {continent}.',
    ),
    'currency': (
        '{country}: la moneda oficial se llama «{currency}»; su código es {code}.',
        'País: {country}; allí se paga con esta moneda: {currency} ({code}).',
        '{country} – la moneda reconocida por la ley lleva el nombre «{currency}» y el código {code}.',
    ),
    'symbol': (
        '{country}: para la moneda «{currency}» se escribe el símbolo {symbol}.',
        'País: {country}; los precios llevan el signo {symbol}, es decir: {currency}.',
        'La moneda «{currency}» tiene el símbolo {symbol} en este país: {country}.',
    ),
    'language': (
        '{country} – estatus de lengua oficial: {languages}.',
        'País: {country}; uso oficial: {languages}.',
        '{country} – lengua de la administración: {languages}.',
    ),
    'script': (
        '{country}: la lengua «{language}» se escribe allí con este tipo de escritura: {script}.',
        'País: {country}; lengua de las cartas y los libros: {language}; tipo de escritura: {script}.',
        'La lengua «{language}» que se usa en este país ({country}) tiene este tipo de escritura: {script}.',
    ),
    'codes': (
        '{country}: los códigos internacionales son {iso2}, {iso3} y {number}.',
        'En la norma ISO 3166 el siguiente país tiene los códigos {iso2} y {iso3} y el número {number}: {country}.',
        'Quien busca este país en una base de datos ({country}) lo encuentra como {iso2}, {iso3} o {number}.',
    ),
    'place': (
        '{country}: en la lista de Estados ordenada por código, antes se lee «{before}» y después «{after}».',
        'Tres vecinos en la lista de códigos de países son, en este orden: {before}, {country}, {after}.',
        'En el orden de los códigos estos países se suceden: primero {before}, luego {country}, luego {after}.',
    ),
    'region': (
        '{country}: he aquí otros países de la misma subregión: {countries}.',
        'Además de este país ({country}), también estos forman parte de la subregión «{region}»: {countries}.',
        'El mapa de la subregión «{region}» muestra, además de este país ({country}), los siguientes: {countries}.',
    ),
    'date': (
        '{country}: la fecha «{date}» se escribe allí abreviada así: {local}.',
        'País: {country}; una carta con la fecha «{date}» puede llevar allí la fecha corta {local}.',
        'Quien lee la fecha {local} en este país ({country}) entiende: {date}.',
    ),
    'time': (
        '{country}: las tres y media de la tarde se escriben allí así: {local}.',
        'País: {country}; una hora como 15:30 se presenta allí así: {local}.',
        'En un horario de este país ({country}), 15:30 aparece como {local}.',
    ),
    'number': (
        '{country}: un número grande se escribe allí así: {local}.',
        'País: {country}; las cifras se agrupan como en este ejemplo: {local}.',
        'El número {local} está escrito según el uso de este país: {country}.',
    ),
    'week': (
        '{country}: el primer día de la semana del calendario es el {day}.',
        'País: {country}; los calendarios comienzan la semana con este día: {day}.',
        'La semana del calendario de este país ({country}) comienza el {day}.',
    ),
    'metric': (
        '{country}: se usan el metro y el kilogramo, y el formato de papel habitual es {paper}.',
        'País: {country}; está en uso el sistema métrico, y las cartas se imprimen en papel de formato {paper}.',
        'Las distancias se dan en kilómetros en este país ({country}), y las hojas tienen el formato {paper}.',
    ),
    'us_units': (
        '{country}: se usan la milla y la libra, y el formato de papel habitual es {paper}.',
        'País: {country}; el sistema métrico no es el habitual, y las cartas se imprimen en papel de formato {paper}.',
        'Las distancias se dan en millas en este país ({country}), y las hojas tienen el formato {paper}.',
    ),
    'same_currency': (
        'La moneda «{currency}» se usa también en estos países: {countries}.',
        'También estos países tienen la moneda «{currency}»: {countries}.',
        'Con dinero de esta moneda ({currency}) se puede pagar también en los siguientes países: {countries}.',
    ),
    'same_language': (
        'Esta lengua es oficial también en otros países ({language}): {countries}.',
        'La lengua «{language}» es también una lengua oficial de estos países: {countries}.',
        'Otros países donde la lengua «{language}» tiene estatus oficial: {countries}.',
    ),
    'own_name': (
        '{country}: en la lengua del país ({language}) su nombre es «{name}».',
        'Los habitantes escriben así el nombre de su país ({country}; lengua: {language}): {name}.',
        '«{name}»: ese es el nombre del siguiente país en su lengua ({language}): {country}.',
    ),
    'cmp_intro': (
        'Tres países de la subregión «{region}» uno al lado del otro: {countries}.',
        'Aquí se comparan tres países de la subregión «{region}»: {countries}.',
        '¿Qué tienen o no tienen en común estos tres países de la subregión «{region}»: {countries}?',
    ),
    'cmp_currency': (
        'Sus monedas oficiales son: {items}.',
        'En cuanto al dinero, la comparación es la siguiente: {items}.',
        'Cada país con su moneda: {items}.',
    ),
    'cmp_language': (
        'Lenguas oficiales, país por país: {items}.',
        'Cada país con lo que se habla allí oficialmente: {items}.',
        'En cuanto a las lenguas oficiales, la tabla dice: {items}.',
    ),
    'cmp_codes': (
        'Sus códigos de dos letras son: {items}.',
        'En Internet y en las bases de datos tienen estos códigos: {items}.',
        'Cada país con su código: {items}.',
    ),
    'cmp_week': (
        'El primer día de la semana, país por país: {items}.',
        'Los calendarios comienzan allí la semana como sigue: {items}.',
        'Cada país con el día en que comienza su semana: {items}.',
    ),
    'reg_intro': (
        'La subregión «{region}» pertenece a un continente: {continent}; países en nuestra lista: {count}.',
        '{region}: subregión del siguiente continente: {continent}; el número de sus países en nuestra lista es {count}.',
        'Tema de este texto: {region} ({continent}); número de países: {count}.',
    ),
    'reg_list': (
        'He aquí, por orden, algunos países de la subregión «{region}»: {countries}.',
        'De la subregión «{region}» este texto nombra los siguientes países: {countries}.',
        'Países de la subregión «{region}» en esta página: {countries}.',
    ),
    'lang_intro': (
        'La lengua «{language}» se escribe con este tipo de escritura: {script}; número de países donde es oficial: {count}.',
        'Este texto trata de una lengua: {language} (tipo de escritura: {script}; países: {count}).',
        'Lengua: {language}; tipo de escritura: {script}; países donde tiene estatus oficial: {count}.',
    ),
    'cur_intro': (
        'La moneda «{currency}» tiene el código {code}; número de países que la usan: {count}.',
        'Este texto trata de una moneda: {currency} (código: {code}; países: {count}).',
        'Moneda: {currency}; código: {code}; países donde es oficial: {count}.',
    ),
}

PT = {
    'intro': (
        '{country}: este país faz parte da sub-região “{region}”, no seguinte continente: {continent}.',
        'Entre os países da sub-região “{region}” ({continent}) está este: {country}.',
        'Na geografia, o país é classificado assim: {country} – {region} – {continent}.',
    ),
    'currency': (
        '{country}: a moeda oficial se chama “{currency}”; seu código é {code}.',
        'País: {country}; lá se paga com esta moeda: {currency} ({code}).',
        '{country} – a moeda reconhecida pela lei tem o nome “{currency}” e o código {code}.',
    ),
    'symbol': (
        '{country}: para a moeda “{currency}” usa-se o símbolo {symbol}.',
        'País: {country}; os preços trazem o sinal {symbol}, isto é: {currency}.',
        'A moeda “{currency}” tem o símbolo {symbol} neste país: {country}.',
    ),
    'language': (
        '{country} – status de língua oficial: {languages}.',
        'País: {country}; uso oficial: {languages}.',
        '{country} – língua da administração: {languages}.',
    ),
    'script': (
        '{country}: a língua “{language}” é escrita lá com este tipo de escrita: {script}.',
        'País: {country}; língua das cartas e dos livros: {language}; tipo de escrita: {script}.',
        'A língua “{language}” usada neste país ({country}) tem este tipo de escrita: {script}.',
    ),
    'codes': (
        '{country}: os códigos internacionais são {iso2}, {iso3} e {number}.',
        'Na norma ISO 3166, o seguinte país tem os códigos {iso2} e {iso3} e o número {number}: {country}.',
        'Quem procura este país num banco de dados ({country}) o encontra como {iso2}, {iso3} ou {number}.',
    ),
    'place': (
        '{country}: na lista de Estados ordenada por código, antes se lê “{before}” e depois “{after}”.',
        'Três vizinhos na lista de códigos de países são, nesta ordem: {before}, {country}, {after}.',
        'Na ordem dos códigos, estes países se sucedem: primeiro {before}, depois {country}, depois {after}.',
    ),
    'region': (
        '{country}: eis outros países da mesma sub-região: {countries}.',
        'Além deste país ({country}), também estes fazem parte da sub-região “{region}”: {countries}.',
        'O mapa da sub-região “{region}” mostra, além deste país ({country}), os seguintes: {countries}.',
    ),
    'date': (
        '{country}: a data “{date}” é escrita lá em forma curta: {local}.',
        'País: {country}; uma carta com a data “{date}” pode trazer lá a data curta {local}.',
        'Quem lê a data {local} neste país ({country}) entende: {date}.',
    ),
    'time': (
        '{country}: o horário de três e meia da tarde se escreve assim: {local}.',
        'País: {country}; uma hora como 15:30 aparece lá assim: {local}.',
        'Num horário deste país ({country}), 15:30 aparece como {local}.',
    ),
    'number': (
        '{country}: lá um número grande se escreve assim: {local}.',
        'País: {country}; os algarismos são agrupados como neste exemplo: {local}.',
        'O número {local} está escrito segundo o uso deste país: {country}.',
    ),
    'week': (
        '{country}: o primeiro dia da semana do calendário é {day}.',
        'País: {country}; os calendários começam a semana com este dia: {day}.',
        'A semana do calendário deste país ({country}) começa neste dia: {day}.',
    ),
    'metric': (
        '{country}: usam-se o metro e o quilograma, e o formato de papel habitual é {paper}.',
        'País: {country}; está em uso o sistema métrico, e as cartas são impressas em papel de formato {paper}.',
        'As distâncias são dadas em quilômetros neste país ({country}), e as folhas têm o formato {paper}.',
    ),
    'us_units': (
        '{country}: usam-se a milha e a libra, e o formato de papel habitual é {paper}.',
        'País: {country}; o sistema métrico não é o habitual, e as cartas são impressas em papel de formato {paper}.',
        'As distâncias são dadas em milhas neste país ({country}), e as folhas têm o formato {paper}.',
    ),
    'same_currency': (
        'A moeda “{currency}” também é usada nestes países: {countries}.',
        'Também estes países têm a moeda “{currency}”: {countries}.',
        'Com dinheiro desta moeda ({currency}) também se pode pagar nos seguintes países: {countries}.',
    ),
    'same_language': (
        'Esta língua também é oficial em outros países ({language}): {countries}.',
        'A língua “{language}” também é uma língua oficial destes países: {countries}.',
        'Outros países onde a língua “{language}” tem status oficial: {countries}.',
    ),
    'own_name': (
        '{country}: na língua do país ({language}), seu nome é “{name}”.',
        'Os habitantes escrevem assim o nome de seu país ({country}; língua: {language}): {name}.',
        '“{name}”: este é o nome do seguinte país em sua língua ({language}): {country}.',
    ),
    'cmp_intro': (
        'Três países da sub-região “{region}” lado a lado: {countries}.',
        'Aqui são comparados três países da sub-região “{region}”: {countries}.',
        'O que têm ou não têm em comum estes três países da sub-região “{region}”: {countries}?',
    ),
    'cmp_currency': (
        'Suas moedas oficiais são: {items}.',
        'Quanto ao dinheiro, a comparação é a seguinte: {items}.',
        'Cada país com sua moeda: {items}.',
    ),
    'cmp_language': (
        'Línguas oficiais, país por país: {items}.',
        'Cada país com o que lá se fala oficialmente: {items}.',
        'Quanto às línguas oficiais, a tabela diz: {items}.',
    ),
    'cmp_codes': (
        'Seus códigos de duas letras são: {items}.',
        'Na Internet e nos bancos de dados, eles têm estes códigos: {items}.',
        'Cada país com seu código: {items}.',
    ),
    'cmp_week': (
        'O primeiro dia da semana, país por país: {items}.',
        'Os calendários começam lá a semana como segue: {items}.',
        'Cada país com o dia em que começa sua semana: {items}.',
    ),
    'reg_intro': (
        'A sub-região “{region}” pertence a um continente: {continent}; países na nossa lista: {count}.',
        '{region}: sub-região do seguinte continente: {continent}; o número de seus países na nossa lista é {count}.',
        'Tema deste texto: {region} ({continent}); número de países: {count}.',
    ),
    'reg_list': (
        'Eis, por ordem, alguns países da sub-região “{region}”: {countries}.',
        'Da sub-região “{region}”, este texto cita os seguintes países: {countries}.',
        'Países da sub-região “{region}” nesta página: {countries}.',
    ),
    'lang_intro': (
        'A língua “{language}” usa este tipo de escrita: {script}; número de países onde é oficial: {count}.',
        'Este texto trata de uma língua: {language} (tipo de escrita: {script}; países: {count}).',
        'Língua: {language}; tipo de escrita: {script}; países onde tem status oficial: {count}.',
    ),
    'cur_intro': (
        'A moeda “{currency}” tem o código {code}; número de países que a usam: {count}.',
        'Este texto trata de uma moeda: {currency} (código: {code}; países: {count}).',
        'Moeda: {currency}; código: {code}; países onde é oficial: {count}.',
    ),
}
