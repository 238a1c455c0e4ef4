"""The firewall's rung, and where to look when nothing here is wrong."""

from __future__ import annotations

from agent.diagnosis.ladder import ladder
from agent.diagnosis.model import Layer, LayerState, Rung
from agent.diagnosis.verdict import judge
from agent.facts.facts import Facts
from agent.firewall.model import Ruleset
from agent.target.detect import nothing_target
from tests.proofs.test_firewall import DROP, ESTABLISHED, HEALTHY, SSH, both, host

UP = Rung(Layer.LINK, LayerState.OK, "eth0 up, with carrier")


def rung(found: tuple[Rung, ...]) -> Rung:
    return next(one for one in found if one.layer is Layer.FIREWALL)


def test_rules_that_let_everybody_in() -> None:
    found = rung(ladder(host(HEALTHY["ssh is let in"]), ()))
    assert (found.state, found.why) == (LayerState.OK, "9 rules: ssh (tcp 22) and ping get in")
    assert rung(ladder(host(Ruleset()), ())).why == "no rules: everything gets in"


def test_rules_that_let_some_in() -> None:
    some = SSH.replace("-p", "-s 198.51.100.0/24 -p", 1)
    found = rung(ladder(host(both(f"{DROP}{ESTABLISHED}{some}", six=DROP)), ()))
    assert (found.state, found.why) == (LayerState.OK, "2 rules: ssh and ping get in from some places only")


def test_only_a_log() -> None:
    found = rung(ladder(Facts(nothing_target()), ()))
    assert (found.state, found.why) == (LayerState.UNCHECKED, "only a log was given")


def test_a_healthy_host_points_outside() -> None:
    read = Rung(Layer.FIREWALL, LayerState.OK, "no rules: everything gets in")
    (step,) = judge((), (UP, read)).next
    assert step.startswith("No rule here stops ssh or ping.") and "Cloud Firewall" in step
    (step,) = judge((), (UP, Rung(Layer.FIREWALL, LayerState.UNCHECKED, "not root"))).next
    assert "No rule here" not in step and "can't be seen from here" in step
