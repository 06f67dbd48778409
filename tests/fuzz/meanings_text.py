"""Functions of text, and regular expressions where Python's dialect and the engine's agree."""

from __future__ import annotations

import base64
import re
from functools import lru_cache

from meaning import BINARY, BOOL, INT64, STRING, TEXTS, OneOf, Within, meaning


def padded(s: str, n: int, f: str, start: bool, cut: bool) -> str:
    if len(s) >= n or not f:
        return s[: max(n, 0)] if cut else s
    fill = (f * n)[: n - len(s)]
    return fill + s if start else s + fill


def field(s: str, separator: str, n: int) -> str:
    parts = s.split(separator) if separator else [s]
    return parts[n] if -len(parts) <= n < len(parts) else ""


def left(s: str, n: int) -> str:
    return s[:n] if n >= 0 else s[: max(len(s) + n, 0)]


def right(s: str, n: int) -> str:
    return s[max(len(s) - n, 0):] if n >= 0 else s[-n:]


def title(s: str) -> str:
    out, inside = [], False
    for c in s:
        out.append(c.lower() if inside else c.upper())
        inside = c.isalnum()
    return "".join(out)


def distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


@lru_cache(maxsize=64)
def like(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern.lower()), re.DOTALL)


def trimmed(s: str, start: bool, end: bool, characters: str = " \t\n\v\f\r") -> str:
    s = s.lstrip(characters) if start else s
    return s.rstrip(characters) if end else s


PIECE = OneOf((",", "a", "ab", "é", "", " ", "key", "😀", "1"))
FILL = OneOf(("", "x", "äö"))
meaning("str.trim_start", ("text",), STRING, lambda s: trimmed(s, True, False))
meaning("str.trim_end", ("text",), STRING, lambda s: trimmed(s, False, True))
meaning("str.pad_start", ("text", Within(-3, 40), FILL), STRING, lambda s, n, f: padded(s, n, f, True, False))
meaning("str.pad_end", ("text", Within(-3, 40), FILL), STRING, lambda s, n, f: padded(s, n, f, False, False))
meaning("sql_lpad", ("text", Within(-3, 40), FILL), STRING, lambda s, n, f: padded(s, n, f, True, True))
meaning("sql_rpad", ("text", Within(-3, 40), FILL), STRING, lambda s, n, f: padded(s, n, f, False, True))
meaning("str.zfill", ("text", Within(-3, 40)), STRING, lambda s, n: s.zfill(n))
meaning("str.repeat", ("text", Within(-1, 3)), STRING, lambda s, n: s * n)
meaning("str.reverse", ("text",), STRING, lambda s: s[::-1])
meaning("str.title", ("text",), STRING, title)
meaning("str.code_point", ("text",), INT64, lambda s: ord(s[0]) if s else 0)
meaning("chr", (Within(65, 164),), STRING, chr)
meaning("str.left", ("text", Within(-20, 20)), STRING, left)
meaning("str.right", ("text", Within(-20, 20)), STRING, right)
meaning("str.strip_prefix", ("text", PIECE), STRING, lambda s, p: s.removeprefix(p))
meaning("str.strip_suffix", ("text", "text"), STRING, lambda s, p: s.removesuffix(p))
meaning("str.count", ("text", PIECE), INT64, lambda s, p: s.count(p) if p else 0)
meaning("str.find", ("text", PIECE), INT64, lambda s, p: s.find(p) if p in s else None)
meaning("sql_position", ("text", "text"), INT64, lambda s, p: s.find(p) + 1)
meaning("str.split", ("text", PIECE), TEXTS, lambda s, p: s.split(p) if p else list(s))
meaning("str.split_part", ("text", PIECE, Within(-3, 3)), STRING, field)
meaning("sql_split_part", ("text", PIECE, OneOf((1, 2, -1))), STRING, lambda s, p, n: field(s, p, n - 1 if n > 0 else n))
meaning("sql_substring", ("text", Within(-3, 20), Within(0, 20)), STRING, lambda s, a, n: s[max(a - 1, 0): max(a - 1 + n, 0)])
meaning("str.translate", ("text", OneOf(("ae1", "é ")), OneOf(("x", "€"))), STRING,
        lambda s, old, new: s.translate({ord(c): new[i] if i < len(new) else None for i, c in enumerate(old)}))
meaning("str.levenshtein", ("short text", "short text"), INT64, distance)
meaning("str.ilike", ("text", OneOf(("A%", "%É%", "_B%", "%KEY1", "%", "ab"))), BOOL, lambda s, p: like(p).fullmatch(s.lower()) is not None)
meaning("str.encode", ("text", OneOf(("hex", "base64"))), STRING, lambda s, how: s.encode().hex() if how == "hex" else base64.b64encode(s.encode()).decode())
meaning("str.decode", ("hex text", OneOf(("hex",))), BINARY, lambda s, how: bytes.fromhex(s))
meaning("concat", ("text", "text"), STRING, lambda a, b: a + b)
meaning("concat_ws", (OneOf(("-", "")), "text", "text"), STRING, lambda sep, *v: sep.join(x for x in v if x is not None), nulls=True)

PATTERN = OneOf(("a", "[ab]+", "(a)(b?)", "é|e", "^a", "[^a-z ]+", "(?i)B", "[0-9]+", "(.)a", ",", "\\.", "x{3,5}", "(k)(.)"))


@lru_cache(maxsize=64)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


meaning("str.regex_contains", ("text", PATTERN), BOOL, lambda s, p: compiled(p).search(s) is not None)
meaning("str.regex_full_match", ("text", PATTERN), BOOL, lambda s, p: compiled(p).fullmatch(s) is not None)
meaning("str.regex_replace", ("text", PATTERN, OneOf(("<\\0>", "", "é"))), STRING, lambda s, p, r: compiled(p).sub(lambda m: r.replace("\\0", m[0]), s))
meaning("str.regex_replace_first", ("text", PATTERN, OneOf(("#", "<\\0>"))), STRING, lambda s, p, r: compiled(p).sub(lambda m: r.replace("\\0", m[0]), s, count=1))
meaning("str.regex_extract", ("text", PATTERN), STRING, lambda s, p: m[0] if (m := compiled(p).search(s)) else None)
meaning("str.regex_extract_all", ("text", PATTERN), TEXTS, lambda s, p: [m[0] for m in compiled(p).finditer(s)])
meaning("str.regex_find", ("text", PATTERN), INT64, lambda s, p: m.start() if (m := compiled(p).search(s)) else None)
meaning("str.regex_count", ("text", PATTERN), INT64, lambda s, p: sum(1 for _ in compiled(p).finditer(s)))
meaning("str.regex_split", ("text", OneOf(("a", "[ab]+", "é|e", "[0-9]+", ","))), TEXTS, lambda s, p: compiled(p).split(s))
