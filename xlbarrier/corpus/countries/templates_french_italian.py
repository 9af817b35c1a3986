# ruff: noqa: E501  (one sentence per line, so that a reader of the language can check it as it is)
"""Sentences of the default corpus in French and Italian; names are bare, after or before a colon."""

FR = {
    'intro': (
        '{country} : ce pays fait partie de la sous-région « {region} », sur le continent suivant : {continent}.',
        'Parmi les pays de la sous-région « {region} » ({continent}) figure celui-ci : {country}.',
        'En géographie, le pays est classé ainsi : {country} – {region} – {continent}.',
    ),
    'currency': (
        '{country} : la monnaie officielle s’appelle « {currency} » ; son code est {code}.',
        'Pays : {country} ; on y paie avec cette monnaie : {currency} ({code}).',
        '{country} – la monnaie reconnue par la loi porte le nom « {currency} » et le code {code}.',
    ),
    'symbol': (
        '{country} : pour la monnaie « {currency} », on écrit le symbole {symbol}.',
        'Pays : {country} ; les prix y portent le signe {symbol}, c’est-à-dire : {currency}.',
        'La monnaie « {currency} » a pour symbole {symbol} dans ce pays : {country}.',
    ),
    'language': (
        '{country} – statut de langue officielle : {languages}.',
        'Pays : {country} ; usage officiel : {languages}.',
        '{country} – langue de l’administration : {languages}.',
    ),
    'script': (
        '{country} : la langue « {language} » s’y écrit avec ce type d’écriture : {script}.',
        'Pays : {country} ; langue des lettres et des livres : {language} ; type d’écriture : {script}.',
        'La langue « {language} » employée dans ce pays ({country}) a ce type d’écriture : {script}.',
    ),
    'codes': (
        '{country} : les codes internationaux sont {iso2}, {iso3} et {number}.',
        'Dans la norme ISO 3166, le pays suivant a les codes {iso2} et {iso3} et le numéro {number} : {country}.',
        'Qui cherche ce pays dans une base de données ({country}) le trouve sous {iso2}, {iso3} ou {number}.',
    ),
    'place': (
        '{country} : dans la liste des États classés par code, on lit avant lui « {before} » et après lui « {after} ».',
        'Trois voisins dans la liste des codes de pays sont, dans cet ordre : {before}, {country}, {after}.',
        'Dans l’ordre des codes, ces pays se suivent : d’abord {before}, puis {country}, puis {after}.',
    ),
    'region': (
        '{country} : voici d’autres pays de la même sous-région : {countries}.',
        'Outre ce pays ({country}), ceux-ci font aussi partie de la sous-région « {region} » : {countries}.',
        'La carte de la sous-région « {region} » montre, en plus de ce pays ({country}), les suivants : {countries}.',
    ),
    'date': (
        '{country} : la date « {date} » s’y écrit en abrégé ainsi : {local}.',
        'Pays : {country} ; une lettre datée du {date} peut y porter la date abrégée {local}.',
        'Qui lit la date {local} dans ce pays ({country}) comprend : {date}.',
    ),
    'time': (
        '{country} : trois heures et demie de l’après-midi s’y écrit ainsi : {local}.',
        'Pays : {country} ; une heure comme 15:30 s’y présente ainsi : {local}.',
        'Sur un horaire de ce pays ({country}), 15:30 apparaît sous la forme {local}.',
    ),
    'number': (
        '{country} : un grand nombre s’y écrit ainsi : {local}.',
        'Pays : {country} ; on y groupe les chiffres comme dans cet exemple : {local}.',
        'Le nombre {local} est écrit selon l’usage de ce pays : {country}.',
    ),
    'week': (
        '{country} : le premier jour de la semaine du calendrier y est le {day}.',
        'Pays : {country} ; les calendriers y commencent la semaine par ce jour : {day}.',
        'La semaine du calendrier de ce pays ({country}) commence le {day}.',
    ),
    'metric': (
        '{country} : on y emploie le mètre et le kilogramme, et le format de papier habituel est {paper}.',
        'Pays : {country} ; le système métrique y est en usage, et les lettres s’impriment sur du papier au format {paper}.',
        'Les distances se donnent en kilomètres dans ce pays ({country}), et les feuilles ont le format {paper}.',
    ),
    'us_units': (
        '{country} : on y emploie le mille et la livre, et le format de papier habituel est {paper}.',
        'Pays : {country} ; le système métrique n’y est pas le plus courant, et les lettres s’impriment sur du papier au format {paper}.',
        'Les distances se donnent en milles dans ce pays ({country}), et les feuilles ont le format {paper}.',
    ),
    'same_currency': (
        'La monnaie « {currency} » est aussi utilisée dans ces pays : {countries}.',
        'Ces pays aussi ont la monnaie « {currency} » : {countries}.',
        'Avec de l’argent de cette monnaie ({currency}), on peut aussi payer dans les pays suivants : {countries}.',
    ),
    'same_language': (
        'Cette langue est aussi officielle dans d’autres pays ({language}) : {countries}.',
        'La langue « {language} » est également une langue officielle de ces pays : {countries}.',
        'Autres pays où la langue « {language} » a un statut officiel : {countries}.',
    ),
    'own_name': (
        '{country} : dans la langue du pays ({language}), son nom est « {name} ».',
        'Les habitants écrivent ainsi le nom de leur pays ({country} ; langue : {language}) : {name}.',
        '« {name} » : tel est le nom du pays suivant dans sa langue ({language}) : {country}.',
    ),
    'cmp_intro': (
        'Trois pays de la sous-région « {region} » côte à côte : {countries}.',
        'On compare ici trois pays de la sous-région « {region} » : {countries}.',
        'Qu’ont en commun, ou non, ces trois pays de la sous-région « {region} » : {countries} ?',
    ),
    'cmp_currency': (
        'Leurs monnaies officielles sont : {items}.',
        'Pour l’argent, la comparaison est la suivante : {items}.',
        'Chaque pays avec sa monnaie : {items}.',
    ),
    'cmp_language': (
        'Langues officielles, pays par pays : {items}.',
        'Chaque pays avec ce qu’on y parle officiellement : {items}.',
        'Quant aux langues officielles, le tableau indique : {items}.',
    ),
    'cmp_codes': (
        'Leurs codes à deux lettres sont : {items}.',
        'Sur Internet et dans les bases de données, ils ont ces codes : {items}.',
        'Chaque pays avec son code : {items}.',
    ),
    'cmp_week': (
        'Le premier jour de la semaine, pays par pays : {items}.',
        'Les calendriers y commencent la semaine comme suit : {items}.',
        'Chaque pays avec le jour où commence sa semaine : {items}.',
    ),
    'reg_intro': (
        'La sous-région « {region} » appartient à un continent : {continent} ; pays dans notre liste : {count}.',
        '{region} : sous-région du continent suivant : {continent} ; le nombre de ses pays dans notre liste est {count}.',
        'Sujet de ce texte : {region} ({continent}) ; nombre de pays : {count}.',
    ),
    'reg_list': (
        'Voici, dans l’ordre, des pays de la sous-région « {region} » : {countries}.',
        'De la sous-région « {region} », ce texte cite les pays suivants : {countries}.',
        'Pays de la sous-région « {region} » sur cette page : {countries}.',
    ),
    'lang_intro': (
        'La langue « {language} » s’écrit avec ce type d’écriture : {script} ; nombre de pays où elle est officielle : {count}.',
        'Ce texte parle d’une langue : {language} (type d’écriture : {script} ; pays : {count}).',
        'Langue : {language} ; type d’écriture : {script} ; pays où elle a un statut officiel : {count}.',
    ),
    'cur_intro': (
        'La monnaie « {currency} » a le code {code} ; nombre de pays qui l’utilisent : {count}.',
        'Ce texte parle d’une monnaie : {currency} (code : {code} ; pays : {count}).',
        'Monnaie : {currency} ; code : {code} ; pays où elle est officielle : {count}.',
    ),
}

IT = {
    'intro': (
        '{country}: questo paese fa parte della subregione «{region}», nel seguente continente: {continent}.',
        'Tra i paesi della subregione «{region}» ({continent}) c’è questo: {country}.',
        'In geografia il paese è classificato così: {country} – {region} – {continent}.',
    ),
    'currency': (
        '{country}: la valuta ufficiale si chiama «{currency}»; il suo codice è {code}.',
        'Paese: {country}; vi si paga con questa valuta: {currency} ({code}).',
        '{country} – la moneta riconosciuta dalla legge ha il nome «{currency}» e il codice {code}.',
    ),
    'symbol': (
        '{country}: per la valuta «{currency}» si scrive il simbolo {symbol}.',
        'Paese: {country}; i prezzi portano il segno {symbol}, cioè: {currency}.',
        'La valuta «{currency}» ha il simbolo {symbol} in questo paese: {country}.',
    ),
    'language': (
        '{country} – status di lingua ufficiale: {languages}.',
        'Paese: {country}; uso ufficiale: {languages}.',
        '{country} – lingua dell’amministrazione: {languages}.',
    ),
    'script': (
        '{country}: la lingua «{language}» vi si scrive con questo tipo di scrittura: {script}.',
        'Paese: {country}; lingua delle lettere e dei libri: {language}; tipo di scrittura: {script}.',
        'La lingua «{language}» usata in questo paese ({country}) ha questo tipo di scrittura: {script}.',
    ),
    'codes': (
        '{country}: i codici internazionali sono {iso2}, {iso3} e {number}.',
        'Nella norma ISO 3166 il seguente paese ha i codici {iso2} e {iso3} e il numero {number}: {country}.',
        'Chi cerca questo paese in una banca dati ({country}) lo trova sotto {iso2}, {iso3} oppure {number}.',
    ),
    'place': (
        '{country}: nella lista degli Stati ordinata per codice, prima si legge «{before}» e dopo «{after}».',
        'Tre vicini nella lista dei codici dei paesi sono, in quest’ordine: {before}, {country}, {after}.',
        'Nell’ordine dei codici questi paesi si susseguono: prima {before}, poi {country}, poi {after}.',
    ),
    'region': (
        '{country}: ecco altri paesi della stessa subregione: {countries}.',
        'Oltre a questo paese ({country}), anche questi fanno parte della subregione «{region}»: {countries}.',
        'La carta della subregione «{region}» mostra, oltre a questo paese ({country}), i seguenti: {countries}.',
    ),
    'date': (
        '{country}: la data «{date}» vi si scrive in breve così: {local}.',
        'Paese: {country}; una lettera con la data «{date}» può portare la data breve {local}.',
        'Chi legge la data {local} in questo paese ({country}) capisce: {date}.',
    ),
    'time': (
        '{country}: le tre e mezza del pomeriggio si scrivono così: {local}.',
        'Paese: {country}; un’ora come 15:30 si presenta così: {local}.',
        'In un orario di questo paese ({country}), 15:30 appare come {local}.',
    ),
    'number': (
        '{country}: un numero grande si scrive così: {local}.',
        'Paese: {country}; le cifre si raggruppano come in questo esempio: {local}.',
        'Il numero {local} è scritto secondo l’uso di questo paese: {country}.',
    ),
    'week': (
        '{country}: il primo giorno della settimana del calendario è {day}.',
        'Paese: {country}; i calendari cominciano la settimana con questo giorno: {day}.',
        'La settimana del calendario di questo paese ({country}) comincia di {day}.',
    ),
    'metric': (
        '{country}: si usano il metro e il chilogrammo, e il formato di carta abituale è {paper}.',
        'Paese: {country}; è in uso il sistema metrico, e le lettere si stampano su carta in formato {paper}.',
        'Le distanze si danno in chilometri in questo paese ({country}), e i fogli hanno il formato {paper}.',
    ),
    'us_units': (
        '{country}: si usano il miglio e la libbra, e il formato di carta abituale è {paper}.',
        'Paese: {country}; il sistema metrico non è quello abituale, e le lettere si stampano su carta in formato {paper}.',
        'Le distanze si danno in miglia in questo paese ({country}), e i fogli hanno il formato {paper}.',
    ),
    'same_currency': (
        'La valuta «{currency}» è usata anche in questi paesi: {countries}.',
        'Anche questi paesi hanno la valuta «{currency}»: {countries}.',
        'Con denaro di questa valuta ({currency}) si può pagare anche nei seguenti paesi: {countries}.',
    ),
    'same_language': (
        'Questa lingua è ufficiale anche in altri paesi ({language}): {countries}.',
        'La lingua «{language}» è una lingua ufficiale anche di questi paesi: {countries}.',
        'Altri paesi in cui la lingua «{language}» ha uno status ufficiale: {countries}.',
    ),
    'own_name': (
        '{country}: nella lingua del paese ({language}) il suo nome è «{name}».',
        'Gli abitanti scrivono così il nome del loro paese ({country}; lingua: {language}): {name}.',
        '«{name}»: è questo il nome del seguente paese nella sua lingua ({language}): {country}.',
    ),
    'cmp_intro': (
        'Tre paesi della subregione «{region}» uno accanto all’altro: {countries}.',
        'Qui si confrontano tre paesi della subregione «{region}»: {countries}.',
        'Che cosa hanno o non hanno in comune questi tre paesi della subregione «{region}»: {countries}?',
    ),
    'cmp_currency': (
        'Le loro valute ufficiali sono: {items}.',
        'Per il denaro il confronto è il seguente: {items}.',
        'Ogni paese con la sua valuta: {items}.',
    ),
    'cmp_language': (
        'Lingue ufficiali, paese per paese: {items}.',
        'Ogni paese con quello che vi si parla ufficialmente: {items}.',
        'Quanto alle lingue ufficiali, la tabella dice: {items}.',
    ),
    'cmp_codes': (
        'I loro codici di due lettere sono: {items}.',
        'In Internet e nelle banche dati hanno questi codici: {items}.',
        'Ogni paese con il suo codice: {items}.',
    ),
    'cmp_week': (
        'Il primo giorno della settimana, paese per paese: {items}.',
        'I calendari vi cominciano la settimana come segue: {items}.',
        'Ogni paese con il giorno in cui comincia la sua settimana: {items}.',
    ),
    'reg_intro': (
        'La subregione «{region}» appartiene a un continente: {continent}; paesi nella nostra lista: {count}.',
        '{region}: subregione del seguente continente: {continent}; il numero dei suoi paesi nella nostra lista è {count}.',
        'Argomento di questo testo: {region} ({continent}); numero di paesi: {count}.',
    ),
    'reg_list': (
        'Ecco, in ordine, alcuni paesi della subregione «{region}»: {countries}.',
        'Della subregione «{region}» questo testo nomina i seguenti paesi: {countries}.',
        'Paesi della subregione «{region}» in questa pagina: {countries}.',
    ),
    'lang_intro': (
        'La lingua «{language}» si scrive con questo tipo di scrittura: {script}; numero di paesi in cui è ufficiale: {count}.',
        'Questo testo parla di una lingua: {language} (tipo di scrittura: {script}; paesi: {count}).',
        'Lingua: {language}; tipo di scrittura: {script}; paesi in cui ha uno status ufficiale: {count}.',
    ),
    'cur_intro': (
        'La valuta «{currency}» ha il codice {code}; numero di paesi che la usano: {count}.',
        'Questo testo parla di una valuta: {currency} (codice: {code}; paesi: {count}).',
        'Valuta: {currency}; codice: {code}; paesi in cui è ufficiale: {count}.',
    ),
}
