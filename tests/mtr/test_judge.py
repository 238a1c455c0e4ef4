"""The verdicts of Linode's guide, on reports written down by hand."""

from __future__ import annotations

import dataclasses

import pytest

from agent.mtr.judge import judge
from agent.mtr.model import Hop, Protocol, Report, Router
from agent.mtr.verdict import Judgement, Side, Verdict
from tests.growth import grows_with_its_input
from tests.mtr.made import made

CLEAN = ("198.51.100.2", "198.51.100.6", "198.51.100.10", "198.51.100.14")
GOAL = "203.0.113.10"


def verdict(report: Report, destination: str = "") -> tuple[str, int | None, float | None]:
    found = judge(report, destination)
    return found.verdict.value, found.hop, found.loss


def words(found: Judgement) -> str:
    return "\n".join((found.summary, *found.reasons, *found.notes, *found.advice, found.ambiguity))


# -- paths that work


def test_a_clean_path_is_healthy() -> None:
    assert verdict(made(*CLEAN, GOAL)) == ("healthy", None, 0)


@pytest.mark.parametrize("place", range(5))
def test_two_packets_of_a_hundred_mean_nothing_wherever_they_are_lost(place: int) -> None:
    rows = [*CLEAN, GOAL]
    rows[place] += " 2"
    assert verdict(made(*rows))[0] == "healthy"


def test_loss_that_later_hops_do_not_have_is_a_limit_on_answers() -> None:
    found = judge(made(CLEAN[0], f"{CLEAN[1]} 60", CLEAN[2], GOAL))
    assert (found.verdict, found.hop, found.loss) == (Verdict.RATE_LIMITED_HOPS_ONLY, None, 0)
    assert "hop 2" in found.summary and "hops 3 and 4" in found.reasons[0]


def test_limits_at_several_hops_in_a_row_are_still_limits() -> None:
    assert verdict(made(CLEAN[0], f"{CLEAN[1]} 60", f"{CLEAN[2]} 30", GOAL))[0] == "rate_limited_hops_only"


def test_a_silent_router_in_the_middle_is_no_blemish() -> None:
    found = judge(made(CLEAN[0], "???", "???", CLEAN[3], GOAL))
    assert found.verdict is Verdict.HEALTHY
    assert any("hops 2 and 3 is harmless" in note for note in found.notes)


def test_the_guides_silent_rows_with_no_loss_and_with_times_are_silent_all_the_same() -> None:
    report = made(*CLEAN, "??? 0", "??? 0", "64.233.174.46", GOAL)
    assert verdict(report)[0] == "healthy"


# -- loss that goes on


def test_loss_to_the_end_begins_at_its_first_hop_and_is_as_high_as_its_lowest() -> None:
    rows = ("63.247.74.43", "63.247.64.157", "209.51.130.213 60", "a.example 60", "72.14.233.56 50")
    report = made(*rows, "209.85.254.247 40", "64.233.174.46 40", "gw.example 40", sent=10)
    found = judge(report)
    assert (found.verdict, found.hop, found.loss) == (Verdict.PERSISTENT_LOSS, 3, 40)
    assert "40 %" in found.summary and "hop 3" in found.summary
    assert any("lowest loss" in reason for reason in found.reasons)
    assert "ticket" in found.advice[0] or "ticket" in found.advice[1]


def test_silent_rows_inside_the_run_are_skipped() -> None:
    assert verdict(made(CLEAN[0], f"{CLEAN[1]} 40", "???", f"{CLEAN[2]} 41", f"{GOAL} 39")) == (
        "persistent_loss",
        2,
        39,
    )


def test_a_hop_that_loses_clearly_less_than_the_destination_ends_the_run() -> None:
    assert verdict(made(*CLEAN[:3], f"{CLEAN[3]} 1", f"{GOAL} 11")) == ("destination_partial", 5, 11)
    assert verdict(made(*CLEAN[:3], f"{CLEAN[3]} 5", f"{GOAL} 40")) == ("destination_partial", 5, 40)


def test_a_little_less_than_the_destination_is_the_same_loss() -> None:
    assert verdict(made(CLEAN[0], f"{CLEAN[1]} 36", f"{GOAL} 40", sent=30)) == ("persistent_loss", 2, 36)


def test_four_percent_of_many_probes_is_loss() -> None:
    rows = ("2001:db8::1", "2001:db8::2 4", "2001:db8::3 25.2", "2001:db8::4 9.9", "2001:db8::5 4.8")
    assert verdict(made(*rows, sent=1418)) == ("persistent_loss", 2, 4)


def test_one_packet_of_ten_counts_but_more_cycles_are_asked_for() -> None:
    found = judge(made(*CLEAN[:3], f"{GOAL} 10", sent=10))
    assert found.verdict is Verdict.DESTINATION_PARTIAL
    assert any("100" in note and "Too few" in note for note in found.notes)
    assert any("10 % or less" in note for note in found.notes)


def test_a_hundred_cycles_are_enough() -> None:
    assert not any("cycles" in note for note in judge(made(*CLEAN, f"{GOAL} 20")).notes)


def test_loss_from_the_first_hop_on_is_on_the_sources_side() -> None:
    found = judge(made("192.168.1.1 30", "81.2.69.1 31", *(f"{row} 33" for row in CLEAN), GOAL + " 30"))
    assert (found.hop, found.side) == (1, Side.SOURCE)


def test_the_side_is_told_by_as_where_there_is_one() -> None:
    rows = ("198.51.100.1 0 1 AS64500", "198.51.100.2 0 1 AS64500", "198.51.100.3 0 1 AS64501")
    found = judge(made(*rows, "192.0.2.1 30 1 AS63949", "192.0.2.5 30 1 AS63949", "192.0.2.9 30 1 AS63949"))
    assert (found.hop, found.side) == (4, Side.DESTINATION)


def test_with_tcp_probes_the_place_of_the_loss_is_not_sure() -> None:
    found = judge(made(CLEAN[0], f"{CLEAN[1]} 40", f"{GOAL} 40", protocol=Protocol.TCP))
    assert "TCP" in words(found)


# -- paths that end


@pytest.mark.parametrize("rows", [("???",), ("??? 0",) * 6])
def test_silence_to_the_end_ends_after_the_last_hop_that_answers(rows: tuple[str, ...]) -> None:
    found = judge(made(*CLEAN, *rows))
    assert (found.verdict, found.hop, found.loss) == (Verdict.UNRESPONSIVE_TO_END, 4, 100)
    assert "look the same" in found.ambiguity and "nc -vz" in found.ambiguity


def test_a_destination_that_is_named_and_silent_is_the_only_one_to_fail() -> None:
    found = judge(made(*CLEAN, "gw.example 100"))
    assert (found.verdict, found.hop, found.side) == (Verdict.DESTINATION_ONLY_100, 5, Side.DESTINATION)
    assert "Finnix" in found.ambiguity


def test_one_silent_row_behind_the_destinations_own_subnet_is_the_destination() -> None:
    assert verdict(made(*CLEAN, "203.0.113.1", "???"), GOAL) == ("destination_only_100", 6, 100)
    assert verdict(made(*CLEAN, "203.0.113.1", "???"))[0] == "unresponsive_to_end"
    assert verdict(made(*CLEAN, "203.0.113.1", "???", "???"), GOAL)[0] == "unresponsive_to_end"


def test_a_path_that_came_into_linodes_network_ends_at_its_destination() -> None:
    rows = ("192.168.1.1", "ae1.cr1.telia.net=62.115.1.1", "192.0.2.4 0 80 AS63949")
    assert verdict(made(*rows, "???"))[0] == "destination_only_100"


def test_a_path_that_begins_in_linodes_network_says_nothing_of_its_destination() -> None:
    assert verdict(made("192.0.2.2 0 1 AS63949", "192.0.2.4 0 1 AS63949", "???"))[0] == "unresponsive_to_end"


def test_a_last_router_that_answers_twice_cannot_deliver() -> None:
    found = judge(made(*CLEAN, f"{CLEAN[3]} 20 1724", sent=10))
    assert (found.verdict, found.hop) == (Verdict.DESTINATION_ONLY_100, 5)
    assert "ARP" in words(found)


def test_a_last_router_that_refuses_at_once_may_be_a_firewall() -> None:
    found = judge(made(*CLEAN, CLEAN[3]), GOAL)
    assert found.verdict is Verdict.DESTINATION_ONLY_100
    assert "firewall" in words(found) and "ARP" not in words(found)


def test_a_destination_that_answers_twice_was_reached() -> None:
    assert verdict(made(*CLEAN, GOAL, GOAL), GOAL)[0] == "healthy"


def test_a_path_that_ends_at_somebody_else_did_not_arrive() -> None:
    assert verdict(made(*CLEAN[:3], f"{CLEAN[3]} 70"), GOAL) == ("unresponsive_to_end", 4, 100)
    assert verdict(made(*CLEAN[:3], f"{CLEAN[3]} 70"))[0] == "destination_partial"


# -- loops


@pytest.mark.parametrize("tail", [(), ("???",), ("??? 0",) * 3])
def test_two_routers_in_turn_are_a_loop(tail: tuple[str, ...]) -> None:
    rows = (*CLEAN, "12.34.56.79", "12.34.56.78", "12.34.56.79", "12.34.56.78", "12.34.56.79")
    found = judge(made(*rows, *tail))
    assert (found.verdict, found.hop) == (Verdict.LOOP, 5)


def test_three_routers_in_turn_are_a_loop() -> None:
    circle = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert verdict(made(*CLEAN, *circle * 3))[:2] == ("loop", 5)


def test_a_pair_that_comes_once_is_no_loop() -> None:
    assert verdict(made(*CLEAN, "192.0.2.1", "192.0.2.2", "192.0.2.1"))[0] == "healthy"


def test_one_address_at_two_neighbouring_hops_in_the_middle_is_no_loop() -> None:
    assert verdict(made(CLEAN[0], CLEAN[1], CLEAN[1], CLEAN[2], GOAL))[0] == "healthy"


def test_a_router_of_multipath_that_comes_at_every_hop_is_no_loop() -> None:
    own = Router(address="2001:db8::1")
    hops = [Hop(number, (Router(address=f"2001:db8::{number}"), own), 0.0, 10) for number in range(2, 9)]
    report = dataclasses.replace(made("2001:db8::1"), hops=(made("2001:db8::1").hops[0], *hops))
    assert verdict(report)[0] == "healthy"


# -- nothing at all


def test_a_report_without_rows_is_a_dead_local_network() -> None:
    found = judge(made())
    assert (found.verdict, found.hop, found.side) == (Verdict.NO_ROUTE, None, Side.SOURCE)
    assert "gateway" in found.summary


def test_rows_of_which_none_answers_are_the_same() -> None:
    assert verdict(made("???", "???"))[0] == "no_route"


def test_no_route_on_the_source_is_told_apart() -> None:
    found = judge(made(error="udp socket connect failed: Network is unreachable", destination=GOAL))
    assert found.verdict is Verdict.NO_ROUTE
    assert f"no route to {GOAL}" in found.summary


def test_a_name_that_does_not_resolve_is_about_dns() -> None:
    error = "Failed to resolve host: nowhere.example: Temporary failure in name resolution"
    found = judge(made(error=error, destination="nowhere.example"))
    assert found.verdict is Verdict.NO_ROUTE and found.loss is None
    assert "DNS" in found.summary and any("address instead of the name" in step for step in found.advice)


# -- what else stands out


def test_a_step_that_stays_is_told_with_what_it_may_be() -> None:
    rows = ("63.247.74.43 0 0.6", "63.247.64.157 0 1", "209.51.130.213 0 2.7", "a.example 0 360", "b.example 0 360")
    found = judge(made(*rows))
    assert found.verdict is Verdict.HEALTHY
    assert any("between hops 3 and 4 and stays" in note for note in found.notes)


def test_a_jump_at_one_hop_is_of_no_importance() -> None:
    found = judge(made("192.0.2.1 0 1", "192.0.2.2 0 250", "192.0.2.3 0 39", "192.0.2.4 0 40"))
    notes = "\n".join(found.notes)
    assert "hop 2 alone is of no importance" in notes and "stays" not in notes


def test_loss_out_of_china_may_be_the_great_firewall() -> None:
    inside = made("192.168.0.1", "202.97.12.1", "202.97.33.2", "129.250.1.1 30", f"{GOAL} 30")
    assert "Great Firewall" in words(judge(inside))
    assert "Great Firewall" not in words(judge(made(*CLEAN, f"{GOAL} 30")))


def test_a_long_report_takes_time_in_proportion() -> None:
    def judged(size: int) -> None:
        report = made(*(f"192.0.2.{number % 2 + 1}" for number in range(size)), "???")
        for _ in range(20):
            judge(report)

    assert grows_with_its_input(judged, 30, 240)
