"""How to make the MTR reports that a ticket still lacks, with the server's address filled in."""

from __future__ import annotations

from agent.facts.facts import Facts
from agent.facts.public_addresses import public_addresses
from agent.mtr.advice import steps
from agent.ticket.model import Attachment, Ticket

PATH = "mtr/how-to-make-one.txt"


def how_to(facts: Facts) -> Attachment:
    """A step a line, its commands behind it."""
    lines = [line for step in steps(public_addresses(facts)) for line in (f"- {step.text}", *_indented(step.commands))]
    return Attachment(PATH, "lish-agent", "\n".join(lines) + "\n")


def text(ticket: Ticket) -> str:
    """What the ticket holds of it; "" where it has reports."""
    return next((one.text for one in ticket.attachments if one.path == PATH), "")


def _indented(commands: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"    {command}" for command in commands)
