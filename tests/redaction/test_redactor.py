# ruff: noqa: E501
"""Planted secrets don't survive; what support needs does."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.redaction.redactor import Redactor
from tests.growth import grows_with_its_input
from tests.redaction.corpus import PLANTED, STAYS

_SECRET = re.compile("«([^»]*)»")


def plain(marked: str) -> str:
    return marked.replace("«", "").replace("»", "")


def secrets(marked: str) -> list[str]:
    return [secret for secret in _SECRET.findall(marked) if not secret.startswith("-----")]


def surviving(secret: str, text: str) -> list[str]:
    """Forms of the secret, or long parts of it, that stand in the text."""
    forms = {secret, base64.b64encode(secret.encode()).decode(), quote(secret), secret.encode().hex()}
    if len(secret) >= 16:
        forms |= {secret[: len(secret) // 2], secret[len(secret) // 2 :]}
    return [form for form in forms if len(form) >= 6 and form in text]


@pytest.mark.parametrize(("place", "marked"), PLANTED, ids=[f"{place}-{i}" for i, (place, _) in enumerate(PLANTED)])
def test_no_planted_secret_survives(place: str, marked: str) -> None:
    redactor = Redactor()
    clean = redactor.text(plain(marked), place)
    assert {secret: surviving(secret, clean) for secret in secrets(marked) if surviving(secret, clean)} == {}, clean
    assert redactor.removed
    assert all(item.place == place and item.count for item in redactor.removed)


@pytest.mark.parametrize(("place", "marked"), PLANTED, ids=[f"{place}-{i}" for i, (place, _) in enumerate(PLANTED)])
def test_a_second_time_changes_nothing(place: str, marked: str) -> None:
    once = Redactor().text(plain(marked), place)
    again = Redactor()
    assert again.text(once, place) == once


@pytest.mark.parametrize(("place", "text"), STAYS, ids=[f"{place}-{i}" for i, (place, _) in enumerate(STAYS)])
def test_what_gives_nothing_away_stays(place: str, text: str) -> None:
    redactor = Redactor()
    assert redactor.text(text, place) == text
    assert redactor.removed == ()


def test_all_of_them_in_one_text() -> None:
    """What stands around a secret does not hide it."""
    text = "\n\n".join(plain(marked) for _, marked in PLANTED if "\n" not in marked)
    clean = Redactor().text(text, "journal")
    for place, marked in PLANTED:
        if "\n" not in marked and not place.endswith((".pgpass", "gshadow", "shadow")):
            assert [surviving(secret, clean) for secret in secrets(marked)] == [[]] * len(secrets(marked)), marked


def test_a_settings_name_makes_its_value_a_secret() -> None:
    assert Redactor().text("hunter2222", "x", key="db_password") == "[removed: password]"
    assert Redactor().text("hunter2222", "x", key="user") == "hunter2222"
    assert Redactor().text("no", "x", key="PasswordAuthentication") == "no"


def test_lines_stay_in_number() -> None:
    for place, marked in PLANTED:
        if "PRIVATE KEY" not in marked and "Static key" not in marked:
            assert Redactor().text(plain(marked), place).count("\n") == plain(marked).count("\n"), marked


WORDS = st.sampled_from(
    ["password", "=", ":", '"', "'", "\n", " ", "\\", "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----",
     "token", "curl", "-u", "a:b", "http://", "@", "[removed: ", "]", "psk", "|", "  ", "- ", "$6$", "secret", "x" * 30]
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=400), st.lists(WORDS, max_size=60).map("".join)), st.booleans())
def test_any_text_can_be_redacted_and_only_once(text: str, addresses: bool) -> None:
    redactor = Redactor(addresses)
    once = redactor.text(text, "x")
    assert redactor.text(once, "x") == once


@pytest.mark.parametrize(
    "unit",
    ["a", " ", "=", "password=", "password: |\n ", "-----BEGIN PRIVATE KEY-----\n", "-----END PRIVATE KEY-----\n",
     "http://a:", "http://a:b", "curl -u ", "A" * 64 + "\n", "eyJaaaaaaaaa.", "mysql -", '"', "\\", "$6$", "a:", "[removed: ",
     "token token ", "1.2.3.4 ", "a:b:c:d:", "LS0tLS1CRUdJTi", "-", "cookie: ", "@", "a.", "a@b.", "?key=", "secret\n"],
)  # fmt: skip
def test_hostile_text_takes_time_in_proportion(unit: str) -> None:
    def redact(size: int) -> None:
        Redactor(True).text((unit * (size // len(unit) + 1))[:size], "x")

    assert grows_with_its_input(redact, 25_000, 200_000)


def test_addresses_keep_what_matters() -> None:
    redactor = Redactor(True, ["web1"])
    text = (
        "web1 45.79.1.9/24 gw 45.79.1.1, other 45.79.2.1; 172.104.3.4 10.0.0.1 127.0.0.1 192.0.2.7 0.0.0.0\n"
        "2600:3c01::f03c:91ff:fe00:1/64 via fe80::1 2600:3c01::1 45.79.1.9 f2:3c:91:aa:bb:cc root@web1.example.com"
    )
    clean = redactor.text(text, "x")
    assert "45.79" not in clean
    assert "2600:3c01" not in clean
    assert "web1" not in clean
    assert "aa:bb:cc" not in clean
    assert clean.split("\n")[0] == (
        "host1.example 240.0.1.9/24 gw 240.0.1.1, other 240.0.2.1; 240.1.3.4 10.0.0.1 127.0.0.1 192.0.2.7 0.0.0.0"
    )
    assert clean.split("\n")[1].startswith("2001:db8:1::a:1/64 via fe80::1 2001:db8:1::1 240.0.1.9 f2:3c:91:00:00:01 ")
    assert redactor.text("45.79.1.9", "y") == "240.0.1.9"
