"""A secret in any text of a ticket reaches none of its files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.diagnosis.model import Finding
from agent.ticket import archive
from agent.ticket.model import Attachment, Ticket
from agent.ticket.redacted import redacted
from tests.redaction.corpus import PLANTED
from tests.redaction.test_redactor import plain, secrets, surviving
from tests.ticket import samples
from tests.ticket.planting import planted

SECRET = "hunter2hunter2"


def everywhere(text: str) -> Ticket:
    """A ticket with the text in every string that comes from a host; rules are our own."""
    ticket: Ticket = planted(samples.ticket(), lambda: text)
    scan = ticket.scan
    before = samples.ticket().scan

    def ours(finding: Finding, original: Finding) -> Finding:
        return replace(finding, rule=original.rule, explained_by=original.explained_by)

    findings = tuple(ours(*pair) for pair in zip(scan.findings, before.findings))
    verdict = replace(scan.verdict, finding=findings[0] if before.verdict.finding else None)
    return replace(ticket, scan=replace(scan, findings=findings, verdict=verdict, offers=before.offers))


@pytest.mark.parametrize("addresses", [False, True])
def test_a_password_in_every_text_of_a_ticket(addresses: bool) -> None:
    packed = archive.pack(everywhere(f"login with password={SECRET} at 10.0.0.1"), addresses)
    assert [member.path for member in packed.members if SECRET.encode() in member.data] == []
    assert packed.ticket.removed
    assert packed.ticket.addresses_redacted is addresses


def test_all_planted_secrets_as_attachments() -> None:
    files = tuple(
        Attachment(f"config/{number}.txt", place, plain(marked)) for number, (place, marked) in enumerate(PLANTED)
    )
    packed = archive.pack(replace(samples.ticket(), attachments=files))
    everything = b"\n".join(member.data for member in packed.members).decode("utf-8", "replace")
    left = [form for _, marked in PLANTED for secret in secrets(marked) for form in surviving(secret, everything)]
    assert left == []
    listed = {item.place for item in packed.ticket.removed}
    assert {place for place, _ in PLANTED} <= listed


def test_what_is_no_secret_stays_as_it_is() -> None:
    ticket = samples.ticket()
    clean = redacted(ticket, False)
    assert replace(clean, removed=(), addresses_redacted=False) == replace(ticket, removed=())


def test_a_finding_is_the_same_in_the_scan_and_in_its_verdict() -> None:
    clean = redacted(everywhere(f"password={SECRET}"), False)
    assert clean.scan.verdict.finding is clean.scan.findings[0]


def test_host_names_go_with_the_addresses() -> None:
    ticket = samples.ticket()
    name = ticket.scan.subject.hostname
    packed = archive.pack(ticket, True)
    assert name
    assert [member.path for member in packed.members if name.encode() in member.data] == []
    assert name not in packed.name
