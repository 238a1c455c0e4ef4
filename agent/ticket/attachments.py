"""The files that go with a ticket: the network's configuration, the firewall, what findings point at."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence

from agent.diagnosis import packet_paths
from agent.diagnosis.model import Finding, Status
from agent.facts.facts import Facts
from agent.firewall import saving
from agent.firewall.saved.boot import at_boot
from agent.logs.model import Unchecked
from agent.report.harmless import harmless
from agent.target import Target
from agent.ticket.model import Attachment
from agent.ticket.paths import Names, inside
from agent.unknown import Unknown

LIMIT = 64 * 1024  # characters of one file that are kept
FILES = 60  # of each sort
EVIDENCE = 30  # files that findings point at
ALWAYS = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/fstab", "/etc/hostname", "/etc/ssh/sshd_config")
# What holds nothing but secrets is not taken at all: no redaction can be better than that.
NEVER = (
    "*shadow*",
    "*/.ssh/*",
    "/etc/ssh/*_key",
    "/etc/ssl/private/*",
    "/etc/pki/*/private/*",
    "/etc/letsencrypt/*",
    "/etc/wireguard/*",
    "/etc/ipsec*secrets*",
    "/etc/ppp/*-secrets",
    "/etc/krb5.keytab",
    "/root/*",
    "/home/*",
    "*.pem",
    "*.key",
    "*.p12",
)
LOGS = ("/var/log/*", "/run/log/*")


class Collected:
    """Attachments, each path once, and what could not be had."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._names = Names()
        self._sources: set[str] = set()
        self.attachments: list[Attachment] = []
        self.unchecked: list[Unchecked] = []

    def file(self, folder: str, path: str) -> None:
        """A file of the host, once; one that is not there is left out without a word."""
        if path in self._sources or any(fnmatch.fnmatchcase(path, never) for never in NEVER):
            return
        self._sources.add(path)
        real = self._target.resolve(path)
        if isinstance(real, str) and any(fnmatch.fnmatchcase(real, never) for never in NEVER):
            return
        text = self._target.text(path)
        if isinstance(text, Unknown):
            if not text.absent:
                self.unchecked.append(Unchecked(f"{path} for the ticket", text.reason))
            return
        source = path if not isinstance(real, str) or real == path else f"{path} (a link to {real})"
        self.text(inside(folder, path), source, text)

    def text(self, path: str, source: str, text: str) -> None:
        """A text, cut where it is too long."""
        if len(text) > LIMIT:
            text = f"{text[:LIMIT]}\n[cut here: {len(text) - LIMIT} more characters]\n"
        self.attachments.append(Attachment(self._names.free(path), harmless(source), text))


def collect(facts: Facts, findings: Sequence[Finding]) -> Collected:
    """All of them, through the target alone."""
    found = Collected(facts.target)
    for path in _configuration(facts):
        found.file("config", path)
    for path in _pointed_at(findings):
        found.file("config", path)
    _firewall(facts, found)
    return found


def _configuration(facts: Facts) -> Iterator[str]:
    """Files of the managers in charge; of all that have any, where none is in charge."""
    wanted = facts.managers.in_charge or tuple(facts.configs)
    for manager in wanted:
        config = facts.configs.get(manager)
        if config is not None:
            yield from config.files[:FILES]
    yield from ALWAYS


def _pointed_at(findings: Sequence[Finding]) -> Iterator[str]:
    """Files that the evidence names, logs aside."""
    named: dict[str, None] = {}
    for finding in findings:
        for evidence in () if finding.status is Status.PAST else finding.evidence:
            path = evidence.source
            if path.startswith("/") and not any(fnmatch.fnmatchcase(path, logs) for logs in LOGS):
                named.setdefault(path)
    yield from list(named)[:EVIDENCE]


def _firewall(facts: Facts, found: Collected) -> None:
    """What is in force, as its own programs print it, and the files that a boot loads."""
    reading = packet_paths.of(facts).reading
    for sentence in reading.unchecked:
        found.unchecked.append(Unchecked("the firewall, for the ticket", sentence))
    if facts.target.live and reading.ruleset.tables:
        parts = saving.parts(facts.target, reading.ruleset)
        if isinstance(parts, Unknown):
            found.unchecked.append(Unchecked("the firewall in force, for the ticket", parts.reason))
        else:
            printed: dict[tuple[str, ...], str] = {}
            for part in parts:
                printed.update(zip(part.show, part.printed))
            for command, text in printed.items():
                name = "-".join(command)
                found.text(inside("firewall", f"{name}.txt"), " ".join(command), text)
    saved = at_boot(facts.target) if facts.target.live else reading
    for source in saved.sources[:FILES]:
        if source.name.startswith("/"):
            found.file("firewall", source.name)
