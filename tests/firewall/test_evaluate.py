"""The path of a packet, as claims."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.firewall import evaluate
from agent.firewall.fields import Field, Protocol, State
from agent.firewall.model import Backend, Family, Ruleset, assumed_whole, together
from agent.firewall.packet import Question, packet
from agent.firewall.result import Verdict
from agent.firewall.xtables import save
from tests.firewall.asking import HOST, PING, SSH, ask, rules

ACCEPT, DROP, REJECT, UNKNOWN = Verdict.ACCEPT, Verdict.DROP, Verdict.REJECT, Verdict.UNKNOWN

LOCKED_OUT = """\
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:f2b-sshd - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A f2b-sshd -s 203.0.113.50/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
"""


def test_the_policy_that_stops_a_packet_is_named() -> None:
    said = ask(LOCKED_OUT)
    assert said.verdict is DROP
    assert said.place is not None
    assert (said.place.table, said.place.chain, said.place.number) == ("filter", "INPUT", 0)
    assert said.place.text == "policy DROP"
    assert [step.chain for step in said.trace] == ["INPUT", "f2b-sshd"]


def test_the_rule_that_stops_a_packet_is_named_with_its_number() -> None:
    said = ask(LOCKED_OUT, replace(SSH, source="203.0.113.50"))
    assert said.verdict is REJECT
    assert said.place is not None
    assert (said.place.chain, said.place.number, said.answer) == ("f2b-sshd", 1, "icmp-port-unreachable")
    assert said.place.text.startswith("-A f2b-sshd -s 203.0.113.50/32")


def test_an_empty_ruleset_lets_everything_in() -> None:
    said = evaluate.inbound_and_back(Ruleset(), packet(SSH, HOST), HOST)
    assert (said.verdict, said.place) == (ACCEPT, None)


def test_a_limit_before_a_log_makes_no_difference() -> None:
    text = ":INPUT DROP\n-A INPUT -m limit --limit 3/min -j LOG\n-A INPUT -p tcp --dport 22 -j ACCEPT\n"
    assert ask(text).verdict is ACCEPT


def test_a_limit_that_decides_makes_the_verdict_unknown_and_is_named() -> None:
    text = ":INPUT DROP\n-A INPUT -p udp -j ACCEPT\n-A INPUT -p tcp --dport 22 -m limit --limit 3/min -j ACCEPT\n"
    said = ask(text)
    assert said.verdict is UNKNOWN
    assert said.place is not None
    assert said.place.number == 2
    assert "limit" in said.why
    assert said.possible == {ACCEPT, DROP}


def test_the_doubt_that_matters_is_named_not_the_first_one() -> None:
    text = (
        ":INPUT DROP\n-A INPUT -m statistic --mode random --probability 0.5 -j DROP\n"
        "-A INPUT -m limit --limit 3/min -j ACCEPT\n"
    )
    said = ask(text)
    assert said.place is not None
    assert said.place.number == 2


def test_what_the_model_does_not_know_makes_the_verdict_unknown() -> None:
    for line in (
        "-A INPUT -m string --string x --algo bm -j DROP",
        "-A INPUT -j NFQUEUE --queue-num 1",
        "-A INPUT -j FOO",
    ):
        said = ask(f"{line}\n")
        assert said.verdict is UNKNOWN
        assert said.place is not None
        assert said.place.text == line


def test_an_unknown_match_on_another_port_does_not_matter() -> None:
    assert ask("-A INPUT -p tcp --dport 80 -m string --string x --algo bm -j DROP\n").verdict is ACCEPT


def test_an_open_question_is_unknown_only_where_a_rule_asks() -> None:
    anywhere = replace(SSH, source=None)
    assert ask("-A INPUT -p tcp --dport 80 -s 192.0.2.0/24 -j DROP\n", anywhere).verdict is ACCEPT
    said = ask("-A INPUT -s 192.0.2.0/24 -j DROP\n", anywhere)
    assert (said.verdict, said.why) == (UNKNOWN, "the question doesn't say from where")


def test_goto_returns_to_the_caller_of_the_chain_that_went() -> None:
    text = ":INPUT DROP\n:a -\n:b -\n-A INPUT -j a\n-A INPUT -p tcp -j ACCEPT\n"
    text += "-A a -g b\n-A a -j DROP\n-A b -p udp -j DROP\n"
    assert ask(text).verdict is ACCEPT


def test_return_in_a_base_chain_is_its_policy() -> None:
    assert ask(":INPUT DROP\n-A INPUT -j RETURN\n-A INPUT -j ACCEPT\n").verdict is DROP


def test_a_chain_that_calls_itself_ends() -> None:
    assert ask(":a -\n-A INPUT -j a\n-A a -j a\n").verdict is UNKNOWN


def test_chains_that_multiply_end() -> None:
    text = "".join(f":c{number} -\n" for number in range(40)) + "-A INPUT -j c0\n"
    text += "".join(f"-A c{number} -j c{number + 1}\n" * 3 for number in range(39))
    said = ask(text)
    assert said.verdict is UNKNOWN
    assert "more cases" in said.why


@pytest.mark.parametrize(("mark", "verdict"), [("0x1/0x1", DROP), ("0x2", ACCEPT), ("0x11", DROP)])
def test_marks_set_earlier_on_the_way_are_known(mark: str, verdict: Verdict) -> None:
    text = f"""*mangle
-A PREROUTING -j MARK --set-xmark 0x1/0xf
-A PREROUTING -i eth0 -j MARK --or-mark 0x10
COMMIT
*filter
-A INPUT -m mark --mark {mark} -j DROP
COMMIT
"""
    assert ask(text).verdict is verdict


def test_a_redirect_goes_on_with_the_new_port() -> None:
    text = """*nat
-A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 2222
COMMIT
*filter
-A INPUT -p tcp --dport 2222 -j DROP
COMMIT
"""
    said = ask(text)
    assert (said.verdict, said.packet[Field.DESTINATION_PORT]) == (DROP, 2222)


def test_what_is_sent_on_to_another_host_meets_the_forward_chains() -> None:
    text = """*nat
-A PREROUTING -p tcp --dport 22 -j DNAT --to-destination 198.51.100.7:22
COMMIT
*filter
:INPUT DROP
:FORWARD DROP
-A FORWARD -p tcp -d 198.51.100.7 -o eth0 -j ACCEPT
COMMIT
"""
    said = ask(text)
    assert (said.verdict, said.forwarded) == (ACCEPT, True)


def test_a_packet_out_of_tracking_is_neither_new_nor_established() -> None:
    text = """*raw
-A PREROUTING -p tcp --dport 22 -j NOTRACK
COMMIT
*filter
:INPUT DROP
-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
COMMIT
"""
    assert ask(text).verdict is DROP
    assert ask(text.replace("NEW,ESTABLISHED", "UNTRACKED")).verdict is ACCEPT


def test_a_reply_that_can_not_leave_is_a_drop_of_the_reply() -> None:
    text = ":INPUT ACCEPT\n:OUTPUT DROP\n-A OUTPUT -p tcp --dport 22 -j ACCEPT\n"
    said = ask(text, back=True)
    assert (said.verdict, said.reply) == (DROP, True)
    assert ask(text + "-A OUTPUT -m state --state ESTABLISHED -j ACCEPT\n", back=True).verdict is ACCEPT


def test_rules_of_both_back_ends_add_up() -> None:
    opened = save.read("*filter\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n", backend=Backend.NF_TABLES)
    closed = save.read("*filter\n:INPUT DROP\nCOMMIT\n", backend=Backend.LEGACY)
    said = evaluate.inbound(together(opened, closed), packet(SSH, HOST), HOST)
    assert said.verdict is DROP
    assert said.place is not None
    assert said.place.backend is Backend.LEGACY


def test_a_question_for_ipv6_is_not_answered_by_ipv4s_rules() -> None:
    asked = Question(6, Protocol.TCP, "2001:db8::5", None, 40000, 22, "eth0")
    assert evaluate.inbound(rules(":INPUT DROP\n"), packet(asked), HOST).verdict is ACCEPT


def test_an_established_connection_passes_where_a_new_one_does_not() -> None:
    text = ":INPUT DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    assert ask(text).verdict is DROP
    assert ask(text, replace(SSH, state=State.ESTABLISHED)).verdict is ACCEPT


def test_outbound_dns_is_followed_out_and_back() -> None:
    asked = Question(4, Protocol.UDP, "192.0.2.10", "203.0.113.53", 40000, 53, "")
    sent = packet(asked, HOST).but(input="", output="eth0")
    out = rules(":INPUT DROP\n:OUTPUT ACCEPT\n")
    said = evaluate.outbound_and_back(out, sent, HOST)
    assert (said.verdict, said.reply) == (DROP, True)
    kept = rules(":INPUT DROP\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\n")
    assert evaluate.outbound_and_back(kept, sent, HOST).verdict is ACCEPT
    closed = rules(":OUTPUT DROP\n-A OUTPUT -p tcp -j ACCEPT\n")
    said = evaluate.outbound_and_back(closed, sent, HOST)
    assert (said.verdict, said.reply) == (DROP, False)


def test_a_text_that_was_cut_is_not_taken_for_whole() -> None:
    cut = save.read("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 80 -j ACCEPT\n")
    said = evaluate.inbound(cut, packet(SSH, HOST), HOST)
    assert (said.verdict, said.why) == (UNKNOWN, "the text ends before the table's COMMIT")
    assert evaluate.inbound(assumed_whole(cut), packet(SSH, HOST), HOST).verdict is ACCEPT


def test_ping_is_told_from_other_icmp() -> None:
    text = ":INPUT DROP\n-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT\n"
    assert ask(text, PING).verdict is ACCEPT
    assert ask(text.replace("8 -j", "3/3 -j"), PING).verdict is DROP


def test_many_rules_that_can_not_be_judged_cost_no_more_than_their_number() -> None:
    bans = "".join(f"-A bans -s 45.{number // 250}.{number % 250}.1/32 -j REJECT\n" for number in range(3000))
    chains = ":INPUT DROP [0:0]\n:bans - [0:0]\n-A INPUT -j bans\n"
    text = f"*filter\n{chains}{bans}-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
    found = evaluate.inbound_and_back(save.read(text, Family.IP, Backend.LEGACY), packet(Question(destination_port=22)))
    assert found.verdict is Verdict.UNKNOWN
    assert found.possible == {Verdict.ACCEPT, Verdict.REJECT}
    assert found.place is not None and (found.place.chain, found.place.number) == ("bans", 3000)
