"""What is saved of a rule-set empties it and puts it back: the same rules in the same order, with their counters."""

from __future__ import annotations

import re

import pytest

from agent.firewall.saving import parts, without_counters
from agent.target.detect import open_target
from agent.unknown import Unknown
from tests.fixes import rulesets
from tests.fixes.rulesets import CASES, Case
from tests.fixes.tables import in_force
from tests.target.children import needs_root


def emptied_and_back(case: Case) -> dict[str, object]:
    case.load()
    before = rulesets.printed()
    found = parts(open_target("/"), in_force(case))
    assert not isinstance(found, Unknown), found.reason
    seen = []
    for part in reversed(found):
        rulesets.run(*part.load, text=part.opened.decode())
        seen.append(part.name)
    empty = rulesets.printed()
    for part in found:
        rulesets.run(*part.load, text=part.saved.decode())
    after = rulesets.printed()
    for part in found:  # twice does no harm
        rulesets.run(*part.load, text=part.saved.decode())
    return {"before": before, "empty": empty, "after": after, "again": rulesets.printed(), "names": seen}


@needs_root
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_emptied_comes_back_the_same_and_in_its_order(case: Case) -> None:
    told = rulesets.apart(lambda: emptied_and_back(case))
    assert isinstance(told, dict)
    assert told["after"] == told["before"]
    assert told["again"] == told["before"]
    assert not [line for line in told["empty"] if re.search(r"-A |policy drop|dport|saddr| DROP \[", line)]
    chains = [line for line in told["before"] if line.startswith((":", "\tchain"))]
    assert len(chains) == len([line for line in told["empty"] if line.startswith((":", "\tchain"))])
    assert "nat" in told["names"][0] or not case.xtables  # packets that are not translated meet rules that know them


def test_what_goes_on_by_itself_is_no_difference() -> None:
    text = """\
[12:720] -A INPUT -j ACCEPT
:INPUT DROP [5:300]
		counter packets {0} bytes {1} jump ufw6-before-input
		quota over 25 mbytes used {0} bytes
		limit rate 10 mbytes/second burst 5 packets
	elements = {{ 192.0.2.1 timeout 1h expires {0}m{1}s counter packets {0} bytes {1} }}
# Completed on Mon Nov 23 17:00:00 2026
"""
    quiet, busy = (list(without_counters(text.format(*numbers))) for numbers in ((0, 0), (6, 488)))
    assert quiet == busy
    assert quiet[2] == "		counter  jump ufw6-before-input"
    assert quiet[4].endswith("limit rate 10 mbytes/second burst 5 packets")
