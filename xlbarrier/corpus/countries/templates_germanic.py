# ruff: noqa: E501  (one sentence per line, so that a reader of the language can check it as it is)
"""Sentences of the default corpus in English and German.

Keys and fields are those of `templates.FIELDS`. Inserted names are in the nominative,
without an article (English names carry theirs: 'the Netherlands').
"""

EN = {
    'intro': (
        '{country} is a country in the subregion {region}, which is part of {continent}.',
        'Among the countries of {region} ({continent}) is {country}.',
        'In geography, {country} is counted as part of {region}, a subregion of {continent}.',
    ),
    'currency': (
        'The official currency of {country} is called “{currency}”; its code is {code}.',
        'People in {country} pay with this currency: {currency} ({code}).',
        'In {country}, the money that the law recognises is the {currency}, with the code {code}.',
    ),
    'symbol': (
        'In {country}, the symbol written for the {currency} is {symbol}.',
        'Prices in {country} carry the sign {symbol}, which stands for the {currency}.',
        'The {currency} has the symbol {symbol} in {country}.',
    ),
    'language': (
        'In {country}, the status of official language is held by {languages}.',
        'Officially used in {country}: {languages}.',
        'The authorities of {country} write in {languages}.',
    ),
    'script': (
        'In {country}, {language} is written in this script: {script}.',
        'In {country}, letters and books in {language} use the script called “{script}”.',
        'The script of {language} as it is used in {country} is this one: {script}.',
    ),
    'codes': (
        'The international codes of {country} are {iso2}, {iso3} and {number}.',
        'In the standard ISO 3166, {country} has the codes {iso2} and {iso3} and the number {number}.',
        'Whoever looks for {country} in a database finds it under {iso2}, {iso3} or {number}.',
    ),
    'place': (
        'In the list of states ordered by two-letter code, {country} comes after {before} and before {after}.',
        'Three neighbours in the list of country codes are, in this order: {before}, {country}, {after}.',
        'Ordered by code, {country} stands between {before} and {after}.',
    ),
    'region': (
        'Other countries in the same subregion as {country} are: {countries}.',
        'Like {country}, these countries also belong to {region}: {countries}.',
        'Besides {country}, the map of {region} also shows {countries}.',
    ),
    'date': (
        'In {country}, the date {date} is written in short as {local}.',
        'A letter from {country} written on {date} may bear the short date {local}.',
        'Whoever reads {local} in {country} understands: {date}.',
    ),
    'time': (
        'In {country}, half past three in the afternoon is written {local}.',
        'A clock time such as 15:30 looks like this in {country}: {local}.',
        'On a timetable in {country}, 15:30 appears as {local}.',
    ),
    'number': (
        'A large number is written like this in {country}: {local}.',
        'In {country}, digits are grouped as in this example: {local}.',
        'The number {local} is written in the way that is usual in {country}.',
    ),
    'week': (
        'In {country}, the first day of the calendar week is {day}.',
        'Calendars in {country} begin the week with {day}.',
        'The calendar week of {country} starts on this day: {day}.',
    ),
    'metric': (
        'In {country}, metres and kilograms are used, and the usual paper size is {paper}.',
        'The metric system is in use in {country}; letters are printed on {paper} paper.',
        'Distances in {country} are given in kilometres, and sheets of paper have the format {paper}.',
    ),
    'us_units': (
        'In {country}, miles and pounds are used, and the usual paper size is {paper}.',
        'The metric system is not the usual one in {country}; letters are printed on {paper} paper.',
        'Distances in {country} are given in miles, and sheets of paper have the format {paper}.',
    ),
    'same_currency': (
        'The {currency} is also used in these countries: {countries}.',
        'These countries, too, have the {currency}: {countries}.',
        'Whoever has money of the kind {currency} can also pay with it in {countries}.',
    ),
    'same_language': (
        'This language is also official in other countries ({language}): {countries}.',
        '{language} is an official language in these countries too: {countries}.',
        'Other countries where {language} has official status: {countries}.',
    ),
    'own_name': (
        'In the country’s own language, {language}, {country} is called “{name}”.',
        'The inhabitants of {country} write the name of their country in {language}: {name}.',
        '“{name}”: that is the name of {country} in {language}.',
    ),
    'cmp_intro': (
        'Three countries of {region} side by side: {countries}.',
        'Here three countries of the subregion {region} are compared: {countries}.',
        'What do these three countries of {region} have in common, and what not: {countries}?',
    ),
    'cmp_currency': (
        'Their official currencies are: {items}.',
        'When it comes to money, they compare as follows: {items}.',
        'Each country with its currency: {items}.',
    ),
    'cmp_language': (
        'Official languages, country by country: {items}.',
        'Each country with what is officially spoken there: {items}.',
        'As for official languages, the table says: {items}.',
    ),
    'cmp_codes': (
        'Their two-letter codes are: {items}.',
        'On the internet and in databases they have these codes: {items}.',
        'Each country with its code: {items}.',
    ),
    'cmp_week': (
        'The first day of the week, country by country: {items}.',
        'Calendars there begin the week as follows: {items}.',
        'Each country with the day on which its calendar week starts: {items}.',
    ),
    'reg_intro': (
        'The subregion {region} is part of {continent}; countries in our list: {count}.',
        '{region} is a subregion of {continent}, and the number of its countries in our list is {count}.',
        'This text is about {region} ({continent}); number of countries: {count}.',
    ),
    'reg_list': (
        'These countries of {region} follow in order: {countries}.',
        'From {region}, this text names the following countries: {countries}.',
        'Countries of {region} on this page: {countries}.',
    ),
    'lang_intro': (
        'The language {language} is written in this script: {script}; number of countries where it is official: {count}.',
        'This text is about a language: {language} (script: {script}; countries: {count}).',
        'Language: {language}; script: {script}; countries with official status: {count}.',
    ),
    'cur_intro': (
        'The {currency} has the code {code}; number of countries that use it: {count}.',
        'This text is about a currency: {currency} (code: {code}; countries: {count}).',
        'Currency: {currency}; code: {code}; countries where it is official: {count}.',
    ),
}

DE = {
    'intro': (
        '{country}: Dieses Land gehört zur Subregion {region}, einem Teil des Kontinents {continent}.',
        'Zu den Ländern der Subregion {region} ({continent}) zählt dieses: {country}.',
        'In der Geografie wird das Land so eingeordnet: {country} – {region} – {continent}.',
    ),
    'currency': (
        '{country}: Die amtliche Währung heißt {currency}; ihr Code lautet {code}.',
        'Land: {country}; dort bezahlt man mit dieser Währung: {currency} ({code}).',
        '{country} – das gesetzliche Zahlungsmittel trägt den Namen „{currency}“ und den Code {code}.',
    ),
    'symbol': (
        '{country}: Als Zeichen für die Währung „{currency}“ schreibt man {symbol}.',
        'Land: {country}; auf Preisschildern steht dort {symbol}, das heißt: {currency}.',
        'Die Währung „{currency}“ hat in diesem Land das Symbol {symbol}: {country}.',
    ),
    'language': (
        '{country} – Status einer Amtssprache: {languages}.',
        'Land: {country}; amtlich verwendet wird dort: {languages}.',
        '{country} – die Behörden schreiben auf {languages}.',
    ),
    'script': (
        '{country}: Die Sprache {language} wird dort in dieser Schrift geschrieben: {script}.',
        'Land: {country}; Briefe und Bücher auf {language} verwenden die Schrift „{script}“.',
        '{language}, wie man es in diesem Land gebraucht ({country}), hat diese Schrift: {script}.',
    ),
    'codes': (
        '{country}: Die internationalen Codes lauten {iso2}, {iso3} und {number}.',
        'In der Norm ISO 3166 steht das Land {country} mit den Codes {iso2} und {iso3} und der Nummer {number}.',
        'Wer dieses Land in einer Datenbank sucht ({country}), findet es unter {iso2}, {iso3} oder {number}.',
    ),
    'place': (
        '{country}: In der nach Codes geordneten Liste der Staaten steht davor {before} und danach {after}.',
        'Drei Nachbarn in der Liste der Ländercodes sind, in dieser Reihenfolge: {before}, {country}, {after}.',
        'Nach Codes geordnet folgen diese Länder aufeinander: zuerst {before}, dann {country}, dann {after}.',
    ),
    'region': (
        '{country}: Weitere Länder derselben Subregion sind {countries}.',
        'Neben diesem Land ({country}) gehören auch diese zur Subregion {region}: {countries}.',
        'Die Karte der Subregion {region} zeigt außer diesem Land ({country}) auch andere: {countries}.',
    ),
    'date': (
        '{country}: Das Datum {date} wird dort kurz so geschrieben: {local}.',
        'Land: {country}; auf einem Brief mit dem Datum {date} kann dort kurz {local} stehen.',
        'Wer in diesem Land ({country}) das Datum {local} liest, versteht: {date}.',
    ),
    'time': (
        '{country}: Halb vier am Nachmittag schreibt man dort {local}.',
        'Land: {country}; eine Uhrzeit wie 15:30 sieht dort so aus: {local}.',
        'Auf einem Fahrplan in diesem Land ({country}) erscheint 15:30 als {local}.',
    ),
    'number': (
        '{country}: Eine große Zahl wird dort so geschrieben: {local}.',
        'Land: {country}; Ziffern gruppiert man dort wie in diesem Beispiel: {local}.',
        'Die Zahl {local} ist so geschrieben, wie es in diesem Land üblich ist: {country}.',
    ),
    'week': (
        '{country}: Der erste Tag der Kalenderwoche ist dort {day}.',
        'Land: {country}; die Kalender beginnen die Woche dort mit dem Tag {day}.',
        'Die Kalenderwoche beginnt in diesem Land ({country}) mit folgendem Tag: {day}.',
    ),
    'metric': (
        '{country}: Man verwendet Meter und Kilogramm, und das übliche Papierformat ist {paper}.',
        'Land: {country}; dort gilt das metrische System, und Briefe druckt man auf Papier im Format {paper}.',
        'Entfernungen gibt man in diesem Land ({country}) in Kilometern an, und Papierbögen haben das Format {paper}.',
    ),
    'us_units': (
        '{country}: Man verwendet Meilen und Pfund, und das übliche Papierformat ist {paper}.',
        'Land: {country}; das metrische System ist dort nicht das übliche, und Briefe druckt man auf Papier im Format {paper}.',
        'Entfernungen gibt man in diesem Land ({country}) in Meilen an, und Papierbögen haben das Format {paper}.',
    ),
    'same_currency': (
        'Die Währung „{currency}“ wird auch in diesen Ländern verwendet: {countries}.',
        'Auch diese Länder haben die Währung „{currency}“: {countries}.',
        'Wer Geld dieser Währung hat ({currency}), kann damit auch in folgenden Ländern bezahlen: {countries}.',
    ),
    'same_language': (
        'Diese Sprache ist auch in anderen Ländern Amtssprache ({language}): {countries}.',
        '{language} ist auch in diesen Ländern eine Amtssprache: {countries}.',
        'Weitere Länder, in denen {language} amtlichen Status hat: {countries}.',
    ),
    'own_name': (
        '{country}: In der Landessprache {language} heißt das Land „{name}“.',
        'Die Einwohner schreiben den Namen ihres Landes ({country}) auf {language} so: {name}.',
        '„{name}“: So lautet der Name auf {language} für das Land {country}.',
    ),
    'cmp_intro': (
        'Drei Länder der Subregion {region} nebeneinander: {countries}.',
        'Hier werden drei Länder der Subregion {region} verglichen: {countries}.',
        'Was haben diese drei Länder der Subregion {region} gemeinsam und was nicht: {countries}?',
    ),
    'cmp_currency': (
        'Ihre amtlichen Währungen sind: {items}.',
        'Beim Geld sieht der Vergleich so aus: {items}.',
        'Jedes Land mit seiner Währung: {items}.',
    ),
    'cmp_language': (
        'Amtssprachen, Land für Land: {items}.',
        'Jedes Land mit dem, was dort amtlich gesprochen wird: {items}.',
        'Zu den Amtssprachen sagt die Tabelle: {items}.',
    ),
    'cmp_codes': (
        'Ihre zweibuchstabigen Codes sind: {items}.',
        'Im Internet und in Datenbanken haben sie diese Codes: {items}.',
        'Jedes Land mit seinem Code: {items}.',
    ),
    'cmp_week': (
        'Der erste Tag der Woche, Land für Land: {items}.',
        'Die Kalender beginnen die Woche dort wie folgt: {items}.',
        'Jedes Land mit dem Tag, an dem seine Kalenderwoche beginnt: {items}.',
    ),
    'reg_intro': (
        'Die Subregion {region} gehört zum Kontinent {continent}; Länder in unserer Liste: {count}.',
        '{region} ist eine Subregion ({continent}), und die Zahl ihrer Länder in unserer Liste beträgt {count}.',
        'Thema dieses Textes: {region} ({continent}); Zahl der Länder: {count}.',
    ),
    'reg_list': (
        'Diese Länder der Subregion {region} folgen der Reihe nach: {countries}.',
        'Aus der Subregion {region} nennt dieser Text folgende Länder: {countries}.',
        'Länder der Subregion {region} auf dieser Seite: {countries}.',
    ),
    'lang_intro': (
        'Die Sprache {language} wird in dieser Schrift geschrieben: {script}; Zahl der Länder, in denen sie amtlich ist: {count}.',
        'Dieser Text handelt von einer Sprache: {language} (Schrift: {script}; Länder: {count}).',
        'Sprache: {language}; Schrift: {script}; Länder mit amtlichem Status: {count}.',
    ),
    'cur_intro': (
        'Die Währung „{currency}“ hat den Code {code}; Zahl der Länder, die sie verwenden: {count}.',
        'Dieser Text handelt von einer Währung: {currency} (Code: {code}; Länder: {count}).',
        'Währung: {currency}; Code: {code}; Länder, in denen sie amtlich ist: {count}.',
    ),
}
