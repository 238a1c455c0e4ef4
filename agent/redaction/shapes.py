"""Secrets that are known by their shape, wherever they stand: tokens, hashes of passwords, URLs with a password."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """``hints``: one of these stands in every text that the expression matches. The group ``secret`` is taken out,
    or, where there is none, the whole match."""

    kind: str
    hints: tuple[str, ...]
    expression: re.Pattern[str]


def _shape(kind: str, hints: str, expression: str) -> Shape:
    return Shape(kind, tuple(hints.split()), re.compile(expression))


SHAPES = (
    _shape(
        "password in a URL", "://", r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,100}:(?P<secret>[^\s/@\"'<>]{1,200})(?=@)"
    ),
    _shape("one-time password", "otpauth://", r"otpauth://[^\s\"'<>]{4,500}"),
    _shape(
        "password in a URL",
        "? &",
        r"(?i)[?&;](?:[\w-]{0,20}(?:token|secret|signature|password|passwd|api[-_]?key)|key|sig|pwd|pass|auth|session|sid)="
        r"(?P<secret>[^&\s\"'<>#\[\]]{1,500})",
    ),
    _shape(
        "password hash",
        "$",
        r"\$(?:y|gy|7|6|5|1|2[abxy]?|argon2i?d?|sha1|md5|apr1|pbkdf2[\w-]{0,12}|scrypt|P|H|S)\$[./A-Za-z0-9$=,+-]{8,400}",
    ),
    _shape("password hash", "{", r"\{(?:S?SHA\d{0,3}|S?MD5|CRYPT|PBKDF2[\w-]{0,12}|ARGON2)\}[A-Za-z0-9+/=.$]{8,300}"),
    _shape("password hash", "grub.pbkdf2", r"grub\.pbkdf2\.sha512\.\d{1,9}\.[0-9A-Fa-f.]{16,600}"),
    _shape("token", "AKIA ASIA", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    _shape("token", "gh", r"\b(?:gh[oprsu]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255})"),
    _shape("token", "glpat- gloas- gldt- glrt-", r"\bgl(?:pat|oas|dt|rt)-[A-Za-z0-9_.-]{16,120}"),
    _shape("token", "xox xapp-", r"\b(?:xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[A-Za-z0-9-]{10,250})"),
    _shape("token", "sk_ rk_ pk_ whsec_", r"\b(?:[srp]k_(?:live|test)_[A-Za-z0-9]{10,120}|whsec_[A-Za-z0-9]{10,120})"),
    _shape("token", "sk-", r"\bsk-[A-Za-z0-9_-]{20,200}"),
    _shape("token", "npm_", r"\bnpm_[A-Za-z0-9]{30,60}"),
    _shape("token", "pypi-", r"\bpypi-[A-Za-z0-9_-]{30,300}"),
    _shape("token", "AIza ya29. GOCSPX-", r"\b(?:AIza[\w-]{35}|ya29\.[\w-]{20,300}|GOCSPX-[\w-]{20,60})"),
    _shape("token", "hvs. hvb. dckr_pat_", r"\b(?:hv[sb]\.[\w-]{20,200}|dckr_pat_[\w-]{20,60})"),
    _shape("token", "SG.", r"\bSG\.[\w-]{16,40}\.[\w-]{20,80}"),
    _shape("token", "dop_v1_ shpat_", r"\b(?:dop_v1_[0-9a-f]{40,80}|shpat_[0-9a-f]{32})"),
    _shape("token", "eyJ", r"\beyJ[\w-]{8,4000}\.[\w-]{4,8000}(?:\.[\w-]{0,2000}){0,3}"),
    _shape("key", " 0x", r"\b(?:auth|auth-trunc|enc|aead|comp) \S{1,60} (?P<secret>0x[0-9a-fA-F]{8,200})"),
    _shape(
        "password",
        "PSK XAUTH EAP",
        r":\s{0,8}(?:PSK|XAUTH|EAP|NTLM)\s{1,8}(?P<secret>\"[^\"\n]{1,300}\"|0[sx][A-Za-z0-9+/=]{4,300}|[^\s\"#\[]{4,300})",
    ),
)  # fmt: skip
