"""A saved rule-set is tried where nobody is: what can't be loaded, or prints otherwise, is told before the flush."""

from __future__ import annotations

from dataclasses import replace

from agent.firewall.model import Backend, Family, Table
from agent.firewall.saving import Part
from agent.fixes.firewall_trial import problem
from agent.target import Mode
from agent.target.detect import open_target
from tests.target.children import needs_root
from tests.virtual import virtual

SAVED = (
    b"*filter\n:INPUT DROP [7:700]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    b"[1:2] -A INPUT -i lo -j ACCEPT\nCOMMIT\n"
)
OPENED = b"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
PART = Part(
    Backend.LEGACY,
    Family.IP,
    (Table("filter", Family.IP, Backend.LEGACY),),
    ("iptables-legacy-restore", "-c", "-w", "20"),
    (("iptables-legacy-save", "-c", "-t", "filter"),),
    OPENED,
    SAVED,
    (SAVED.decode(),),
)


@needs_root
def test_what_loads_and_prints_the_same_is_no_problem() -> None:
    tried = problem(open_target("/"), (PART,), b"", ("lo", "eth0"))
    assert (tried.refusal, tried.note) == ("", "")


@needs_root
def test_what_can_not_be_loaded_is_told() -> None:
    broken = replace(PART, saved=SAVED.replace(b"-i lo", b"-m nosuchmatch"))
    assert "could not be loaded again" in problem(open_target("/"), (broken,), b"", ()).refusal


@needs_root
def test_what_prints_otherwise_is_told_with_its_line() -> None:
    other = replace(PART, saved=SAVED.replace(b"-i lo", b"-s 192.0.2.1"))
    refusal = problem(open_target("/"), (other,), b"", ()).refusal
    assert "iptables-legacy would not be what it is now: -A INPUT -i lo -j ACCEPT" in refusal


@needs_root
def test_a_text_that_holds_the_mark_of_its_own_end_is_read_whole() -> None:
    comment = SAVED.replace(b"-i lo", b'-i lo -m comment --comment "lish-agent-trial"')
    sly = replace(PART, saved=comment.replace(b"COMMIT\n", b"COMMIT\n# x\nlish-agent-trial\n"))
    assert "could not be loaded again" in problem(open_target("/"), (sly,), b"", ()).refusal


def test_where_no_namespace_can_be_had_it_is_only_noted() -> None:
    tried = problem(virtual({}, Mode.LIVE), (PART,), b"", ())
    assert not tried.refusal and "could not be tried beforehand" in tried.note
