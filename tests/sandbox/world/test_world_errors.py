import re
from pathlib import Path

import pytest

from gmbot.sandbox import errors

KNOWN = {
    line
    for line in (Path(__file__).parent / "known_errors.txt").read_text().splitlines()
    if not line.startswith("#")
}
LESS_SURE = Path(errors.__file__).read_text().partition("\n# Less sure:")[2]


def words() -> list[str]:
    """All words of the module that it does not itself call less sure."""
    found: list[str] = []
    for name, value in vars(errors).items():
        if not name[0].isupper() or not name.isupper() or f"\n{name}:" in LESS_SURE:
            continue
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            found += [text for key, text in value.items() if key != "photo"]
    return found


@pytest.mark.parametrize("text", words())
def test_a_refusal_is_in_the_servers_own_words(text: str) -> None:
    if "{" in text:
        begin = text.partition("{")[0]
        begin = re.sub(r' Field "$', " ", begin)
        assert begin + "..." in KNOWN
    else:
        assert text in KNOWN
