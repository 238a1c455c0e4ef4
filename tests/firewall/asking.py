"""Short ways to ask the model, for tests."""

from __future__ import annotations

from agent.firewall import evaluate
from agent.firewall.fields import Protocol
from agent.firewall.host import Host, Interface, Network, Route
from agent.firewall.model import Family, Ruleset
from agent.firewall.packet import Question, packet
from agent.firewall.result import Result
from agent.firewall.xtables import save

HOST = Host(
    (Interface("eth0", (Network(4, 0xC000020A, 24),)),),  # 192.0.2.10
    (Route(Network(4, 0, 0), "eth0"),),
)
SSH = Question(source="203.0.113.5", source_port=40000, destination_port=22, arrives="eth0", destination="192.0.2.10")
PING = Question(4, Protocol.ICMP, "203.0.113.5", "192.0.2.10", arrives="eth0")


def rules(text: str, family: Family = Family.IP) -> Ruleset:
    """The filter table with these lines; lines with * or COMMIT stand for themselves."""
    if "*" not in text.split("\n", 1)[0]:
        text = f"*filter\n{text.strip()}\nCOMMIT\n"
    return save.read(text, family)


def ask(text: str, question: Question = SSH, back: bool = False) -> Result:
    asked = evaluate.inbound_and_back if back else evaluate.inbound
    return asked(rules(text), packet(question, HOST), HOST)
