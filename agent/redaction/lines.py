"""Secrets that are known by what stands before them on their line: settings, options of commands, headers."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.redaction.words import KEY, harmless_value, secret_name

MARK = "[removed: "
_BEGUN = MARK.strip()
Remove = Callable[[str], str]

_VALUE = (
    r"(?P<value>\"(?:[^\"\\\n]|\\.){0,2000}\"?|'[^'\n]{0,2000}'?|\\\"[^\"\n]{0,2000}?\\\""
    r"|[^\s,;}\]&|<>\"']{1,2000})"
)
_ASSIGNED = re.compile(
    rf"(?<![\w/.$%-])(?P<key>[\"']?--?{KEY}|[\"']?{KEY}[\"']?|\\\"{KEY}\\\")"
    rf"(?P<joint>\s{{0,20}}(?:=>|:=|[=:])\s{{0,40}}){_VALUE}",
    re.I,
)
_OPTION = re.compile(rf"(?<=\s)(?P<key>--?(?:{KEY}))(?P<joint>\s{{1,4}}){_VALUE}", re.I)
# Settings that are written without a sign between name and value; only as the first word of a line.
_DIRECTIVE = re.compile(
    rf"^(?P<key>\s{{0,40}}(?:(?:set|enable)\s{{1,4}})?(?:{KEY}))(?P<joint>[ \t]{{1,40}}){_VALUE}"
    + r"(?=\s{0,40}(?:[;#{].*)?$)",
    re.I,
)
_QUOTED = re.compile(rf"(?<![\w/.-])(?P<key>{KEY})(?P<joint>\s{{1,10}})(?P<value>\"[^\"\n]{{1,300}}\")", re.I)
_HEADER = re.compile(
    r"(?P<key>\b(?:proxy-)?authorization[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?:(?:basic|bearer|token|digest|negotiate|apikey|aws4-hmac-sha256)"
    r"\s{1,4})?)(?!basic\s|bearer\s|token\s|digest\s|negotiate\s|apikey\s)(?P<value>[^\s\"'\[][^\"'\n]{0,2000})",
    re.I,
)
_BEARER = re.compile(
    r"(?P<key>\b(?:bearer|basic)\s{1,4})(?=[a-z]*[^a-z\s\"',;])(?P<value>[A-Za-z0-9+/._~-]{12,2000}={0,2})(?=[\s\"',;]|$)",
    re.I,
)
_COOKIE = re.compile(
    r"(?P<key>\b(?:set-)?cookie2?[\"']?\s{0,8}[:=]\s{0,8}[\"']?)(?P<value>[^\s\"'\[][^\"'\n]{0,4000})", re.I
)

# Commands and settings that take a password: a hint that stands in the line, what comes before the password, and what
# may follow it.
_WORD = r"(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s\"']{1,300})"
_ECHO = r"\becho\s{1,4}(?:-\w{1,4}\s{1,4})?[\"']?"
_PIPED = r"[\"']?\s{0,4}\|\s{0,4}(?:sudo\s{1,4})?"
_NO_PAM = r"(?!required|requisite|sufficient|optional|include|substack|\[)"
_ENDS = r"(?=\s{0,20}$)"
_HASHES = r"(?:MD5|SHA\S{0,4}|DES|AES\S{0,4})"
_COMMANDS = tuple(
    (hint, re.compile(f"(?P<key>{before}){_WORD}{after}"))
    for hint, before, after in (
        ("-p", r"\b(?:mysql|mysqldump|mysqladmin|mysqlimport|mariadb[\w-]{0,12})\b[^\n|;]{0,400}?\s-p(?=\S)", ""),
        ("curl", r"\bcurl\b[^\n|;]{0,400}?\s(?:-u|--user|-U|--proxy-user)[ =]?[\"']?[^\s:\"']{1,100}:", ""),
        ("wget", r"\bwget\b[^\n|;]{0,400}?\s--(?:http-|ftp-|proxy-)?password[ =]", ""),
        ("sshpass", r"\bsshpass\s{1,4}-p\s{0,4}", ""),
        ("wpa_passphrase", r"\bwpa_passphrase\s{1,4}(?:\"[^\"\n]*\"|\S{1,80})\s{1,4}", ""),
        ("pass:", r"\bpass:", ""),
        ("htpasswd", r"\bhtpasswd\s{1,4}-\w{0,6}b\w{0,6}\s{1,4}\S{1,200}\s{1,4}\S{1,100}\s{1,4}", ""),
        ("%", r"\s-U\s{0,2}[\w\\.-]{1,80}%", ""),
        ("redis-cli", r"\bredis-cli\b[^\n|;]{0,200}?\s-a\s{1,4}", ""),
        ("ldap", r"\bldap\w{3,9}\b[^\n|;]{0,400}?\s-w\s{0,4}(?!-)", ""),
        ("snmp", r"\bsnmp\w{3,12}\b[^\n|;]{0,300}?\s-(?:c|A|X)\s{0,4}", ""),
        ("ipmitool", r"\bipmitool\b[^\n|;]{0,300}?\s-P\s{0,4}", ""),
        ("chpasswd", _ECHO + r"[\w.-]{1,64}:", rf"(?={_PIPED}chpasswd)"),
        ("passwd", _ECHO, rf"(?={_PIPED}passwd\s{{1,4}}--stdin)"),
        ("ommunity", r"^\s{0,20}r[ow]community6?\s{1,20}", ""),
        ("com2sec", r"^\s{0,20}com2sec6?\s{1,20}(?:-Cn\s{1,8}\S{1,60}\s{1,8})?\S{1,60}\s{1,20}\S{1,60}\s{1,20}", ""),
        ("createUser", rf"^\s{{0,20}}createUser\b[^\n]{{0,100}}?\s{_HASHES}\s{{1,8}}", ""),
        ("createUser", r"^\s{0,20}createUser\b[^\n]{0,200}\s(?:DES|AES\S{0,4})\s{1,8}", ""),
        ("neighbor", r"\bneighbor\s{1,8}\S{1,60}\s{1,8}password\s{1,8}(?:\d\s{1,4})?", ""),
        ("md5", r"\bmessage-digest-key\s{1,8}\d{1,3}\s{1,8}md5\s{1,8}", ""),
        ("password", r"\blogin\s{1,8}\S{1,100}\s{1,8}password\s{1,8}", ""),
        ("password_pbkdf2", r"^\s{0,20}password_pbkdf2\s{1,8}\S{1,60}\s{1,8}", ""),
        (
            "password",
            rf"^\s{{0,20}}password\s{{1,8}}(?:--\w{{3,9}}\s{{1,4}})?{_NO_PAM}[\w.@-]{{1,60}}\s{{1,8}}",
            r"(?=\s{0,20}$)",
        ),
        ("SetCredential", r"^\s{0,20}SetCredential(?:Encrypted)?=[\w.-]{1,80}:", r".*"),
        ("IDENTIFIED", r"\bIDENTIFIED\s{1,4}(?:WITH\s{1,4}\S{1,40}\s{1,4})?(?:BY|AS)\s{1,4}(?:PASSWORD\s{1,4})?", ""),
        ("PASSWORD", r"\bPASSWORD\s{1,4}(?=')", ""),
    )
)
_SHADOW = re.compile(r"^(?P<key>[a-z_][\w.-]{0,31}\$?:)(?P<value>[^:\s]{0,300})(?=:(?:\d*:){5,7}\d*$)")
_GROUP_SHADOW = re.compile(r"^(?P<key>[a-z_][\w.-]{0,31}:)(?P<value>[^:\s]{1,300})(?=:[^:\s]*:[^:\s]*$)")
_PGPASS = re.compile(r"^(?P<key>[^:\s#]{1,200}:(?:\d{1,5}|\*):[^:\n]{1,100}:[^:\n]{1,100}:)(?P<value>.{1,300})$")
_PPP = re.compile(
    r"^(?P<key>\s{0,20}(?:\"[^\"\n]*\"|[^\s\"#]\S{0,100})\s{1,40}(?:\"[^\"\n]*\"|\S{1,100})\s{1,40})(?P<value>\"[^\"\n]*\"|\S{1,200})"
)
_QUICK = re.compile(
    r"(?i)psk|pass|pwd|secret|key|token|communit|credential|\bpin\b|masterauth|authori[sz]ation|bearer|basic|cookie|"
    r"chpasswd|com2sec|createuser|neighbor|identified|login|ldap|snmp|ipmitool|redis-cli|curl|wget|mysql|maria|session|otp|"
    r"pw\b|-U"
)


def without(line: str, place: str, removed: Remove) -> str:
    """One line without its secrets."""
    name = place.rpartition("/")[2]
    for files, expression in _BY_FILE:
        if name.startswith(files):
            line = expression.sub(lambda match: _sub(match, removed, "password", always=True), line)
    if ":" in line:
        line = _SHADOW.sub(lambda match: _sub(match, removed, "password hash"), line)
    if not _QUICK.search(line):
        return line
    for hint, expression in _COMMANDS:
        if hint in line:
            line = expression.sub(lambda match: _sub(match, removed, "password", always=True), line)
    line = _HEADER.sub(lambda match: _sub(match, removed, "authorization", always=True), line)
    line = _BEARER.sub(lambda match: _sub(match, removed, "authorization", always=True), line)
    line = _COOKIE.sub(lambda match: _sub(match, removed, "cookie", always=True), line)
    line = _ASSIGNED.sub(lambda match: _named(match, removed), line)
    line = _OPTION.sub(lambda match: _named(match, removed), line)
    line = _QUOTED.sub(lambda match: _named(match, removed), line)
    return _DIRECTIVE.sub(lambda match: _named(match, removed), line)


_BY_FILE = (
    (("shadow",), _SHADOW),
    (("gshadow",), _GROUP_SHADOW),
    ((".pgpass", "pgpass"), _PGPASS),
    (("chap-secrets", "pap-secrets"), _PPP),
)


def _sub(match: re.Match[str], removed: Remove, kind: str, always: bool = False) -> str:
    value = match["value"]
    if (
        value.startswith(_BEGUN)
        or match["key"].endswith(MARK)
        or value in ("*", "!", "!!", "!*", "x", "")
        or (not always and harmless_value(value))
    ):
        return match[0]
    return match["key"] + removed(kind)


def _named(match: re.Match[str], removed: Remove) -> str:
    value = match["value"]
    name = match["key"].strip("\\\"' -").rpartition(" ")[2]
    if _BEGUN in value or harmless_value(value) or not secret_name(name):
        return match[0]
    kind = kind_of(name)
    for quote in ('\\"', '"', "'"):
        if value.startswith(quote):
            closed = len(value) > len(quote) and value.endswith(quote)
            return match["key"] + match["joint"] + quote + removed(kind) + (quote if closed else "")
    return match["key"] + match["joint"] + removed(kind)


def kind_of(name: str) -> str:
    """What a setting of this name holds, for the list of what was removed."""
    lowered = name.lower()
    for word, kind in (("token", "token"), ("key", "key"), ("psk", "key"), ("communit", "community"), ("pin", "PIN")):
        if word in lowered:
            return kind
    return "secret" if "secret" in lowered or "credential" in lowered else "password"
