"""What a text from outside may hold: characters that are seen, and addresses that lead to a public host."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters, marks and a symbol that are drawn as nothing
_JOINING = re.compile("[\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # some scripts and emoji need them
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+([a-z][a-z0-9-]*[a-z0-9])")
_NEVER_IN_AN_ADDRESS = frozenset(' "<>\\^`{|}')  # RFC 3986, appendix A: none of its rules has them
_PRIVATE = re.compile("alt|arpa|corp|example|home|internal|intranet|invalid|lan|local|localhost|private|test")


def plain(text: str) -> str:
    """Text that shows what it holds.

    Raises:
        ValueError: It holds control characters, or what turns text around or cannot be seen.
    """
    if text.isascii() and text.isprintable():
        return text
    bad = sorted({f"U+{ord(c):04X}" for before, c in zip(f" {text}", text, strict=False) if _hidden(before, c)})
    if bad:
        raise ValueError(f"holds {', '.join(bad)}: no control characters, and nothing unseen that turns or hides text")
    return text


def named(text: str) -> str:
    """A name that can be read.

    Raises:
        ValueError: It is not plain, nothing of it can be seen, or blanks stand around it.
    """
    if not any(unicodedata.category(c)[0] in "LNPS" for c in plain(text)):
        raise ValueError("is a name of which nothing can be seen")
    if text != text.strip():
        raise ValueError("is a name with blanks around it")
    return text


def public(address: str) -> str:
    """An https address of a host that everybody reaches under its name.

    Raises:
        ValueError: It is another address, or one that a page or a reference could not repeat as it is.
    """
    found = urlsplit(plain(address))
    if not address.startswith("https://"):  # as pages ask before they make a link of it
        raise ValueError(f"{address!r} is no https address: it must start with https://")
    if bad := sorted(set(address) & _NEVER_IN_AN_ADDRESS):
        raise ValueError(f"{address!r} holds {' '.join(map(repr, bad))}, which addresses write as % and two digits")
    host = _HOST.fullmatch(found.hostname or "")
    if host is None or _PRIVATE.fullmatch(host[1]) or found.username is not None:
        raise ValueError(
            f"{address!r} is no https address of a public host: give its name, neither a number nor one of a private "
            "network (an international name as xn--...)"
        )
    return address


def repository_of(address: str) -> str:
    """A public address of a repository, to which paths can be added.

    Raises:
        ValueError: It is another address.
    """
    found = urlsplit(public(address))
    path = found.path.rstrip("/")
    if found.query or found.fragment or "/" not in path.strip("/"):
        raise ValueError(f"{address!r} is no address of a repository, such as https://github.com/OWNER/NAME")
    return f"https://{found.netloc}{path}"


def shown(text: str) -> str:
    """Text for a line of ours: whatever is not seen in it is spelled out."""
    return "".join(c if c.isprintable() and c not in _BLANK else ascii(c)[1:-1] for c in text)


def _hidden(before: str, character: str) -> bool:
    """Joiners and variants of a form stand behind what can have one: a letter, mark or symbol beyond ASCII."""
    if _JOINING.match(character):
        return before.isascii() or unicodedata.category(before)[0] not in "LMS"
    return unicodedata.category(character) in _UNSEEN or character in _BLANK
