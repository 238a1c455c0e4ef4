"""Names of settings whose values are secrets, and values that are none whatever their name."""

from __future__ import annotations

import re

# The name of a secret may stand in the middle of a longer one: DB_PASSWORD, psk-value, x-api-token.
KEY = (
    r"(?:[\w.-]{0,60}(?:psk|passwd|password|passphrase|passwort|secret|private[-_]?key|preshared[-_]?key|shared[-_]?key|"
    r"wep[-_]?key|api[-_]?key|access[-_]?key|auth[-_]?key|account[-_]?key|encryption[-_]?key|signing[-_]?key|"
    r"master[-_]?key|storage[-_]?key|key[-_]?string|token|community|credentials?|auth[-_]?pass|bind[-_]?pw|"
    r"requirepass|masterauth|setcredential)[\w.-]{0,40}|pin|pass|pwd|[\w.-]{0,40}[-_](?:pass|pwd|pw)|wireless[-_]?key\d?|"
    r"mysql_pwd|otp|cookie[-_]?value|sessionid|session[-_]?id|wpa[-_]psk)"
)
# What follows such a name in the names of harmless settings: password_file, PasswordAuthentication, token_ttl.
_HARMLESS_END = re.compile(
    r"(?i)(?:file|files|path|dir|directory|age|length|len|timeout|expire[sd]?|expiry|ttl|policy|type|authentication|"
    r"prompt|command|cmd|bits|size|count|limit|name|names|id|ids|method|methods|mode|flags|url|uri|lifetime|"
    r"changed|change|attempts|tries|quality|pam|agent|format|algorithm|required|enabled|days|warn|flag)$"
)
_HARMLESS_VALUE = re.compile(
    r"(?i)(?:yes|no|true|false|on|off|none|null|nil|undefined|unset|empty|default|optional|required|requisite|"
    r"sufficient|include|substack|authentication|files|compat|db|sss|nis|systemd|ldap|x|\*+|!+|-|\.{3}|<[\w -]*>|\(.*|"
    r"\$\{?\w+\}?|%[\w(){}]+|incorrect|invalid|failed|failure|expired|changed|updated|for|is|was|not|"
    r"\d{1,3}|/[\w./-]*|prompt|ask|hidden|redacted|unchanged|origin|release|version|md5|scram-sha-256|#)"
)


def secret_name(name: str) -> bool:
    """True for the name of a setting whose value is a secret."""
    name = name.strip("\"' ")
    return _WHOLE.fullmatch(name) is not None and _HARMLESS_END.search(name) is None


def harmless_value(value: str) -> bool:
    """True for a value that gives nothing away: yes, none, a variable, a file's path."""
    value = value.strip("\"'`,;) ")
    return not value or _HARMLESS_VALUE.fullmatch(value) is not None


_WHOLE = re.compile(rf"(?i){KEY}")
