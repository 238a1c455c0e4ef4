"""Which fixes the findings offer: those with proof, that can be planned, and that cure a cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.change.model import Plan, Run
from agent.diagnosis.loader import load
from agent.diagnosis.model import Finding, Layer, Status, Verdict, VerdictState
from agent.facts.facts import Facts
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.fixes.offers import look, with_fix
from agent.fixes.registry import FIXES
from tests.diagnosis.build import finding
from tests.virtual import virtual

FACTS = Facts(virtual({}))


def fix(name: str = "gate", planned: Planned | None = None, **more: object) -> Fix:
    made = Fix(name, "", ("gateway-lost",), lambda request: planned or Plan("Does it.", ()))
    return replace(made, **more)  # type: ignore[arg-type]


def named(one: Finding, flag: str) -> Finding:
    return replace(one, rule=replace(one.rule, fix=flag))


def proven(**more: object) -> Finding:
    """A confirmed finding whose rule names the fix."""
    return replace(named(finding(), "--gate"), **more)  # type: ignore[arg-type]


def test_what_is_confirmed_is_offered_with_the_root_that_was_scanned() -> None:
    found = look(FACTS, [proven()], [fix()])
    assert [(offer.command, offer.undo) for offer in found.offered] == [
        ("agent fix --gate --root /media/sda", "agent undo --root /media/sda")
    ]


@pytest.mark.parametrize("status", [Status.SUSPECTED, Status.PAST])
def test_without_proof_nothing_is_offered(status: Status) -> None:
    assert look(FACTS, [proven(status=status)], [fix()]).offered == ()


def test_a_consequence_is_not_offered_a_fix_before_its_cause() -> None:
    assert look(FACTS, [proven(explained_by=("sendmail",))], [fix()]).offered == ()


def test_what_would_be_refused_is_withheld_with_the_reason() -> None:
    found = look(FACTS, [proven()], [fix(planned=Refusal("Network Helper"))])
    assert found.offered == ()
    assert [withheld.refusal.why for withheld in found.withheld] == ["Network Helper"]


@pytest.mark.parametrize(
    ("other", "offered"),
    [
        (Plan("Does it otherwise.", ()), ["agent fix --gate=other --root /media/sda"]),
        (Plan("Does it otherwise.", (), ask="risky"), []),
        (Plan("Does it otherwise.", (Run(("/x",), "for good"),)), []),
        (Refusal("nor that"), []),
    ],
)
def test_where_a_fix_refuses_another_of_its_choices_is_offered_if_it_is_harmless(
    other: Planned, offered: list[str]
) -> None:
    choosing = fix(
        choices=("usual", "ADDRESS", "other"),
        plan=lambda request: other if request.choice == "other" else Refusal("not here"),
    )
    found = look(FACTS, [proven()], [choosing])
    assert [offer.command for offer in found.offered] == offered
    assert [withheld.refusal.why for withheld in found.withheld] == ([] if offered else ["not here"])


def test_a_fix_for_the_running_host_is_not_offered_on_a_disk() -> None:
    (withheld,) = look(FACTS, [proven()], [fix(live_only=True)]).withheld
    assert "running host" in withheld.refusal.why


def test_a_plan_that_breaks_does_not_break_the_scan() -> None:
    def broken(request: Request) -> Planned:
        raise KeyError("x")

    (withheld,) = look(FACTS, [proven()], [fix(plan=broken)]).withheld
    assert "KeyError" in withheld.refusal.why


def test_only_the_fix_that_the_rule_names_is_offered_and_only_where_it_is_proven_by_it() -> None:
    for flag, wanted in (("--second", ["second"]), ("", []), ("--third", [])):
        found = look(FACTS, [named(finding(), flag)], [fix("first"), fix("second"), fix("third", rules=("other",))])
        assert [offer.fix.name for offer in found.offered] == wanted


def test_a_name_comes_from_the_finding_and_is_quoted() -> None:
    one = proven(values={"name": "my;hook"})
    (offer,) = look(FACTS, [one], [fix(argument="NAME")]).offered
    assert offer.command == "agent fix --gate 'my;hook' --root /media/sda"
    assert look(FACTS, [proven()], [fix(argument="NAME")]).offered == ()


def test_the_verdict_names_the_fix_as_what_to_do() -> None:
    one = proven()
    verdict = Verdict(VerdictState.BROKEN, Layer.ROUTE, one, "x", ("ip route add",), ("ip route del",))
    shown = with_fix(verdict, look(FACTS, [one], [fix()]))
    assert (shown.next, shown.undo) == (("agent fix --gate --root /media/sda",), ("agent undo --root /media/sda",))
    assert with_fix(verdict, look(FACTS, [], [fix()])) == verdict


def test_every_fix_that_a_rule_names_takes_that_rule_for_a_proof() -> None:
    rules = {rule.id: rule for rule in load([])}
    by_flag = {one.flag: one for one in FIXES}
    for rule in rules.values():
        assert not rule.fix or rule.id in by_flag[rule.fix].rules, rule.id
    for one in FIXES:
        assert set(one.rules) <= set(rules), one.name
        assert [rule for rule in rules.values() if rule.fix == one.flag], f"{one.name} is never offered"


def test_the_order_of_the_ladder() -> None:
    layers = {rule.id: list(Layer).index(rule.layer) for rule in load([])}
    rungs = [layers[one.rules[0]] for one in FIXES[:-1] if not one.on_device]
    assert rungs == sorted(rungs)
    assert FIXES[0].on_device, "a damaged filesystem is repaired before anything on it is looked at"
    assert FIXES[-1].name == "restart-network", "it makes the others take effect"
