"""Booted against rescue mode, and there against back."""

from __future__ import annotations

import pytest

from agent.mtr.compare import Cause, compare, directions
from agent.mtr.judge import judge
from agent.mtr.model import Protocol, Report
from tests.mtr.made import made

GOAL = "203.0.113.10"
WAY = ("198.51.100.2", "198.51.100.6", "203.0.113.1")
FINE = made(*WAY, GOAL, destination=GOAL)
SILENT = made(*WAY, "???", destination=GOAL)


def loses(percent: float, sent: int = 100) -> Report:
    return made(WAY[0], *(f"{hop} {percent}" for hop in (*WAY[1:], GOAL)), sent=sent, destination=GOAL)


def cause(normal: Report, rescue: Report) -> Cause:
    return compare(judge(normal), judge(rescue)).cause


def test_a_server_that_answers_only_in_rescue_mode_is_configured_wrongly() -> None:
    found = compare(judge(SILENT), judge(FINE))
    assert found.cause is Cause.CONFIGURATION
    assert "configuration on the disk" in found.summary and "agent rescue" in found.advice[0]


def test_one_that_answers_in_neither_is_for_support() -> None:
    found = compare(judge(SILENT), judge(SILENT))
    assert found.cause is Cause.OUTSIDE
    assert "ticket" in found.advice[0]


def test_the_same_loss_in_both_is_outside() -> None:
    assert cause(loses(40), loses(38)) is Cause.OUTSIDE


def test_loss_that_is_gone_in_rescue_mode_is_the_disks() -> None:
    assert cause(loses(40), FINE) is Cause.CONFIGURATION


def test_a_server_that_comes_back_with_some_loss_is_the_disk_and_the_path() -> None:
    found = compare(judge(SILENT), judge(loses(20)))
    assert found.cause is Cause.CONFIGURATION
    assert any("20 %" in reason for reason in found.reasons)


def test_trouble_in_rescue_mode_alone_says_nothing_of_the_disk() -> None:
    assert cause(FINE, SILENT) is Cause.RESCUE_ONLY


def test_two_fine_reports_are_fine() -> None:
    assert cause(FINE, FINE) is Cause.NONE


def test_one_packet_of_ten_is_too_little_to_decide() -> None:
    assert cause(loses(10, 10), made(*WAY, GOAL, sent=10, destination=GOAL)) is Cause.UNCLEAR


def test_more_loss_in_rescue_mode_is_outside_and_none_at_all_is_unclear() -> None:
    assert cause(loses(10), loses(50)) is Cause.OUTSIDE
    assert cause(loses(10), SILENT) is Cause.UNCLEAR


def test_different_destinations_are_not_compared() -> None:
    other = made(*WAY, "203.0.113.99", destination="203.0.113.99")
    found = compare(judge(SILENT), judge(other))
    assert found.cause is Cause.NOT_COMPARABLE
    assert GOAL in found.summary and "203.0.113.99" in found.summary


def test_destinations_that_no_report_tells_are_taken_as_the_same() -> None:
    assert cause(made(*WAY, "???"), made(*WAY, GOAL)) is Cause.CONFIGURATION


def test_a_name_and_an_address_may_be_the_same_destination() -> None:
    named = made("198.51.100.2", "???", destination="web1.example")
    assert cause(named, FINE) is Cause.CONFIGURATION


def test_different_probes_are_not_compared() -> None:
    tcp = made(*WAY, GOAL, destination=GOAL, protocol=Protocol.TCP)
    assert cause(SILENT, tcp) is Cause.NOT_COMPARABLE


# -- both directions

BACK = made("203.0.113.1", "198.51.100.6", "192.0.2.7", destination="192.0.2.7")


def test_a_silent_destination_that_reaches_us_is_behind_a_firewall() -> None:
    found = directions(judge(SILENT), judge(BACK))
    assert "firewall that drops ping" in found.summary
    assert "Cloud Firewall" in found.advice[0]


def test_loss_in_one_report_only_is_asked_for_again() -> None:
    found = directions(judge(loses(20)), judge(BACK))
    assert "Only the report there loses" in found.summary
    assert "same time" in found.advice[0]


@pytest.mark.parametrize("loss", [20, 60])
def test_loss_both_ways_names_where_each_begins(loss: int) -> None:
    back = made("203.0.113.1", f"198.51.100.6 {loss}", f"192.0.2.7 {loss}", destination="192.0.2.7")
    found = directions(judge(loses(loss)), judge(back))
    assert "there from hop 2" in found.summary and "back from hop 2" in found.summary


def test_two_reports_of_the_same_direction_are_told() -> None:
    assert "not the other direction" in directions(judge(SILENT), judge(FINE)).summary


def test_two_fine_directions_are_fine() -> None:
    assert directions(judge(FINE), judge(BACK)).summary == "Both directions are fine"
