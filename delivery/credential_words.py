"""Words that somebody, or a machine, made up to be a secret: told from names, versions and numbers by their looks."""

import base64
import binascii
import re

SHORTEST = 8  # characters that a made-up word has
LONG = 16  # characters from which a random word is one wherever it stands
PIECES = 2.8  # characters that a piece of a random word has on average at most; those of a name have more
PIECES_OF_LETTERS = 2.2  # where it has no digit

# what has letters and digits and is no secret: `us-central1-a`, `v1.2.3-rc1`, `512Mi`, `0x7f`, `sha256`, `2024-01-01`
PLAIN = re.compile(
    r"[A-Za-z]+(?:[-_.:][A-Za-z]+|[-_.:]?[0-9]{1,3})*|v?[0-9]+(?:[.:-][0-9]+)+\S*|[0-9.]+[A-Za-z]{1,3}|0x[0-9a-fA-F]+"
    r"|[\w.-]+:[0-9]+|(?:[a-z0-9-]+\.){2,}[a-z]+|[\w-]+\.(?:ya?ml|json|conf|txt|pem|crt|key|sh|py|sql|gz|js|toml|ini)"
)
PLACE = re.compile(r"[\s$/{}<>()*|\\]|:/|=\w")  # of a path, a reference, a template or code
PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# words of the alphabets of base64, which end with `=` or not; not a hash with its name, nor what follows a path
WORD = re.compile(r"(?<![\w+/=.:@-])[A-Za-z0-9+/_-]{16,}={0,2}(?![\w+/=.])|(?<==)[A-Za-z0-9+/_-]{16,}={0,2}(?![\w+/=])")
# what is encoded and meant to be seen; the first is in blocks
PUBLIC = re.compile(
    r"-----BEGIN (?:[A-Z ]*(?:CERTIFICATE|PUBLIC KEY|CRL|SIGNATURE|MESSAGE)[A-Z ]*)-----[\s\S]*?(?:-----END|\Z)"
    r"|\b(?:ssh-(?:rsa|ed25519|dss)|ecdsa-[\w-]+|sk-[\w@.-]+)\s+\S+|;base64,[\w+/=]+|\bsha(?:1|256|384|512)-[\w+/=]+"
    r"|\"[nxy]\"\s*:\s*\"[\w-]+"
)


def made_up(word: str) -> bool:
    """Whether a word is likely a password: letters with digits among them, and none of what else has both."""
    return (
        len(word) >= SHORTEST
        and any(each.isdigit() for each in word)
        and any(each.isalpha() for each in word)
        and not PLAIN.fullmatch(word)
        and not PLACE.search(word)
    )


def random(word: str) -> bool:
    """Whether a word of base64 is made of random characters rather than of words."""
    text = word.rstrip("=")
    if len(text) < LONG or not (any(map(str.islower, text)) and any(map(str.isupper, text))):
        return False
    most = PIECES if any(map(str.isdigit, text)) else PIECES_OF_LETTERS
    return len(text) <= most * len(PIECE.findall(text))


def encoded(word: str) -> str:
    """The text that a word of base64 stands for; "" where it stands for none."""
    if len(word) < LONG:
        return ""
    try:
        text = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_" if "-" in word or "_" in word else None)
        decoded = text.decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    return decoded if all(each.isprintable() or each.isspace() for each in decoded) else ""
