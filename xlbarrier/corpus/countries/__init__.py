"""The embedded corpus: parallel documents about the countries of the world, from CLDR's facts.

`plans` chooses what each document says, `wording` puts it into sentences by the `templates` of each
language, `local_usage` knows how each country writes dates and numbers, `build` writes the files.
"""

from xlbarrier.corpus.countries.plans import Document, documents
from xlbarrier.corpus.countries.templates import LANGUAGES, check_languages

# The relations of the world facts that the text states; it names no city and no border.
STATES = ('country_currency', 'country_language', 'country_continent', 'language_script')

__all__ = ['LANGUAGES', 'STATES', 'Document', 'check_languages', 'documents']
