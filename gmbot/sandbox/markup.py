"""HTML markup of messages, read as tdlib reads it (MessageEntity.cpp, parse_html).

Its words of refusal and their byte offsets too. MarkdownV2 and Markdown are not simulated.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

from gmbot.sandbox import errors

Entities = list[dict[str, Any]]

_TYPES: Final = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
# The one attribute of a tag that is kept.
_ARGUMENTS: Final = {
    "a": "href",
    "code": "class",
    "span": "class",
    "tg-emoji": "emoji-id",
    "blockquote": "expandable",
}
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}

_REFERENCE: Final = re.compile(r"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot));?")
_START: Final = re.compile(r"<([^\s>]*)")
_END: Final = re.compile(r"</([^\s>]*)\s*")
_ATTRIBUTE: Final = re.compile(r"\s*([^\s=>/\"']*)(\s*=\s*)?")
_NAME_TOKEN: Final = re.compile(r"[A-Za-z0-9.\-]*")
_USER_LINK: Final = re.compile(r"tg://user\?id=([0-9]+)")
_ADDRESS: Final = re.compile(r"(?:https?|tg)://\S+|[^\s/]+\.\S+")
_LAST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)


def read_html(source: str) -> tuple[str, Entities]:
    """Return the text that is shown, and its entities; a `text_mention` holds a bare `user_id`.

    Raises TelegramError.
    """
    return _HtmlReader(source).read()


def utf16_length(text: str) -> int:
    """Count UTF-16 code units, in which entities are measured."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def span(entity: dict[str, Any]) -> tuple[int, int]:
    """Return where an entity begins and ends, in UTF-16 code units."""
    return entity["offset"], entity["offset"] + entity["length"]


@dataclass
class _Tag:
    name: str
    argument: str
    start: int  # in characters


class _HtmlReader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._shown = ""
        self._open: list[_Tag] = []
        self._entities: Entities = []

    def read(self) -> tuple[str, Entities]:
        while self._at < len(self._source):
            character = self._source[self._at]
            if self._source.startswith("</", self._at):
                self._read_end()
            elif character == "<":
                self._read_start()
            elif character == "&":
                self._shown += self._reference()
            else:
                self._shown += character
                self._at += 1
        if self._open:
            name = self._open[-1].name
            self._fail(f'Can\'t find end tag corresponding to start tag "{name}"')
        for entity in self._entities:
            if entity["type"] == "code":
                entity.pop("language", None)  # only a block has one
        return self._shown, self._entities

    def _reference(self) -> str:
        match = _REFERENCE.match(self._source, self._at)
        self._at += 1 if match is None else len(match[0])
        return "&" if match is None else _decode(match)

    def _read_start(self) -> None:
        begin = self._at
        where = f"at byte offset {self._offset(begin)}"
        name = self._match(_START)[1].lower()
        if self._ended():
            self._fail(f"Unclosed start tag {where}")
        if name not in _TYPES:
            self._fail(f'Unsupported start tag "{name}" {where}')
        argument = ""
        while not self._ended() and self._source[self._at] != ">":
            if self._source[self._at].isspace():
                self._at += 1
                continue
            attribute, value = self._read_attribute(name, where)
            if attribute == _ARGUMENTS.get(name):
                argument = value
        if self._ended():
            self._fail(f'Unclosed start tag "{name}" {where}')
        self._at += 1
        if name == "span" and argument != "tg-spoiler":
            self._fail(f'Tag "span" must have class "tg-spoiler" {where}')
        self._open.append(_Tag(name, argument, len(self._shown)))

    def _read_attribute(self, tag: str, where: str) -> tuple[str, str]:
        match = self._match(_ATTRIBUTE)
        if not match[1]:
            self._fail(f'Empty attribute name in the tag "{tag}" {where}')
        if match[2] is None:
            return match[1], match[1]
        if self._ended():
            self._fail(f'Unclosed start tag "{tag}" {where}')
        quote = self._source[self._at]
        if quote not in "\"'":
            start = self._at
            token = self._match(_NAME_TOKEN)[0].lower()
            if self._ended() or not re.match(r"[\s>]", self._source[self._at]):
                self._fail(f"Unexpected end of name token at byte offset {self._offset(start)}")
            return match[1], token
        end = self._source.find(quote, self._at + 1)
        end = end if end >= 0 else len(self._source)
        value = _REFERENCE.sub(_decode, self._source[self._at + 1 : end])
        self._at = end + 1
        return match[1], value

    def _read_end(self) -> None:
        offset = self._offset(self._at)
        if not self._open:
            self._fail(f"Unexpected end tag at byte offset {offset}")
        name = self._match(_END)[1]
        if self._ended() or self._source[self._at] != ">":
            self._fail(f"Unclosed end tag at byte offset {offset}")
        self._at += 1
        tag = self._open.pop()
        if name not in {"", tag.name}:
            self._fail(
                f"Unmatched end tag at byte offset {offset}, "
                f'expected "</{tag.name}>", found "</{name}>"'
            )
        self._keep(tag)

    def _keep(self, tag: _Tag) -> None:
        inner = self._shown[tag.start :]
        if not inner:
            return
        entity: dict[str, Any] = {
            "type": _TYPES[tag.name],
            "offset": utf16_length(self._shown[: tag.start]),
            "length": utf16_length(inner),
        }
        if tag.name == "a":
            url = tag.argument or inner
            user = _USER_LINK.fullmatch(url)
            if user is not None:
                entity |= {"type": "text_mention", "user_id": int(user[1])}
            elif _ADDRESS.fullmatch(url):
                entity["url"] = url
            else:
                return
        elif tag.name == "tg-emoji":
            entity["custom_emoji_id"] = tag.argument
        elif tag.name == "blockquote" and tag.argument:
            entity["type"] = "expandable_blockquote"
        elif tag.name == "pre":
            self._adopt_language(entity)
        elif tag.name == "code" and tag.argument.startswith("language-"):
            entity["language"] = tag.argument.removeprefix("language-")
        self._entities.append(entity)

    def _adopt_language(self, entity: dict[str, Any]) -> None:
        """Let `<pre><code class="language-…">` be one block that knows its language."""
        last = self._entities[-1] if self._entities else {}
        if last.get("type") == "code" and span(last) == span(entity):
            self._entities.pop()
            if "language" in last:
                entity["language"] = last["language"]

    def _ended(self) -> bool:
        return self._at >= len(self._source)

    def _offset(self, position: int) -> int:
        return len(self._source[:position].encode())

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = cast("re.Match[str]", pattern.match(self._source, self._at))  # all match empty
        self._at = match.end()
        return match

    def _fail(self, reason: str) -> NoReturn:
        raise errors.refusal(errors.CANNOT_PARSE_ENTITIES.format(reason=reason))


def _decode(match: re.Match[str]) -> str:
    hexadecimal, decimal, name = match.groups()
    if name is not None:
        return _NAMED[name]
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    is_character = 0 < code <= _LAST_CHARACTER and code not in _SURROGATES
    return chr(code) if is_character else match[0]
