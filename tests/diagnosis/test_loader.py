"""A wrong rule is refused with its file, its line and a hint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.diagnosis.loader import BUILT_IN, RuleError, load, load_file, load_folder

GOOD = """\
title = "A test"
layer = "route"
severity = "warning"

[[patterns]]
name = "one"
regex = '''gateway (?P<gateway>[0-9.]{7,15}) lost'''
why = "a test"

[proof]
name = "trusted_log"

[advice]
text = "Mend it."
"""


def write(folder: Path, text: str, name: str = "route/gateway-gone.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_good_rule_is_read(tmp_path: Path) -> None:
    rule = load_file(write(tmp_path, GOOD))
    assert (rule.id, rule.layer.value, rule.patterns[0].pattern.key) == (
        "gateway-gone",
        "route",
        "gateway-gone/one",
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "hint"),
    [
        ('severity = "warning"', 'severity = "warnin"', 3, "did you mean warning"),
        ('layer = "route"', 'layer = "boot"', 2, "move the file"),
        ("trusted_log", "trusted_logs", 11, "did you mean trusted_log"),
        ("lost'''", "(lost'''", 7, "brackets"),
        ("why = ", "whi = ", 8, "did you mean why"),
        ("gateway (?P<gateway>[0-9.]{7,15}) lost", "[a-z]+ [a-z]+", 7, "three letters"),
        ('title = "A test"', "title = 3", 1, "write title"),
        ("[advice]", "[advise]", 13, "did you mean advice"),
        ('text = "Mend it."', "", 13, "add text"),
        ('name = "trusted_log"', 'name = "trusted_log', 11, "'''"),
        ('why = "a test"', 'why = "a test"\nuids = ["root"]', 5, "uids = [0]"),
        ('severity = "warning"', 'severity = "warning"\nexplains = "x"', 4, 'explains = ["..."]'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, hint: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(RuleError) as caught:
        load_file(path)
    assert caught.value.message.startswith(f"{path}:{line}: "), caught.value.message
    assert hint in caught.value.hint


def test_a_rule_may_not_explain_what_does_not_exist(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace('severity = "warning"', 'severity = "warning"\nexplains = ["no-such-rule"]'))
    with pytest.raises(RuleError, match=r"gateway-gone\.toml:4: explains no-such-rule"):
        load([tmp_path])


def test_a_rule_may_not_take_the_place_of_another(tmp_path: Path) -> None:
    taken = load_folder(BUILT_IN)[0]
    write(tmp_path, GOOD.replace('"route"', f'"{taken.layer.value}"'), f"{taken.layer.value}/{taken.id}.toml")
    with pytest.raises(RuleError, match="there is a rule"):
        load([tmp_path])


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe", b"\0" * 100, b"a" * 300_000, b"[" * 5000],
    ids=["no UTF-8", "NULs", "too large", "nested"],
)
def test_rubbish_gets_a_clear_error(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, "")
    path.write_bytes(data)
    with pytest.raises(RuleError, match=re.escape(str(path))):
        load_file(path)


def test_an_empty_or_missing_folder_gets_a_clear_error(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RuleError):
            load([folder])
