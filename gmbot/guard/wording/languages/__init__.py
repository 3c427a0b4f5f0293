"""The catalogues of all languages."""

from collections.abc import Mapping
from types import MappingProxyType

from gmbot.guard.wording.catalogue import Catalogue
from gmbot.guard.wording.languages.english import ENGLISH
from gmbot.guard.wording.languages.french import FRENCH
from gmbot.guard.wording.languages.german import GERMAN
from gmbot.guard.wording.languages.italian import ITALIAN
from gmbot.guard.wording.languages.portuguese import PORTUGUESE
from gmbot.guard.wording.languages.russian import RUSSIAN
from gmbot.guard.wording.languages.spanish import SPANISH
from gmbot.guard.wording.languages.ukrainian import UKRAINIAN

CATALOGUES: Mapping[str, Catalogue] = MappingProxyType(
    {
        "en": ENGLISH,
        "de": GERMAN,
        "es": SPANISH,
        "fr": FRENCH,
        "pt": PORTUGUESE,
        "ru": RUSSIAN,
        "uk": UKRAINIAN,
        "it": ITALIAN,
    }
)


def catalogue_of(language: str | None) -> Catalogue:
    """Return the catalogue for an IETF language tag (“pt-br”); the English one in doubt."""
    code = (language or "").replace("_", "-").partition("-")[0].lower()
    return CATALOGUES.get(code, ENGLISH)
