"""Proofs of what stops some connections and not others: ban lists, and the full table of connections."""

from __future__ import annotations

import shlex

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction
from agent.diagnosis.packet_paths import Paths
from agent.diagnosis.proofs import wanted
from agent.diagnosis.proofs.firewall import evidence_of, look
from agent.facts import logins
from agent.facts.facts import Facts
from agent.firewall.anybody import BLOCKED
from agent.firewall.result import Place
from agent.unknown import Unknown

FULL = 0.95  # of nf_conntrack_max: from here on new connections are lost now and then
ROOM = 4  # times as many connections are advised
BANNING = ("fail2ban", "sshguard", "CrowdSec", "DenyHosts", "CSF")
_COUNT, _MAX = "/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_max"


def conntrack_full(context: Context) -> Proof:
    """The table of connections is (nearly) full: new ones are dropped."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if not facts.target.live:
        return CantTell("how full the table of connections is, only the running host can tell")
    count, most = _number(facts, _COUNT), _number(facts, _MAX)
    if count is None or not most:
        return Fails("connections are not tracked")
    if count < FULL * most:
        return Fails(f"{count} of at most {most} connections are tracked")
    values = {"count": str(count), "max": str(most), "more": str(ROOM * most)}
    why = f"{count} of at most {most} connections are tracked"
    return Holds(why, (Evidence(_COUNT, str(count)), Evidence(_MAX, str(most))), values)


def ban_list_hit(context: Context) -> Proof:
    """An address from which somebody logged in of late is banned."""
    paths = look(context)
    if not isinstance(paths, Paths):
        return paths
    if not any(one.program in BANNING for one in paths.reading.owners):
        return Fails("no ban list")
    recorded = logins.recent_addresses(paths.facts.target)
    logged = _logged(context)
    if isinstance(recorded, Unknown) and not logged:
        return CantTell(f"from where people log in is not known: {recorded.reason}")
    recent = dict.fromkeys((*logged, *(() if isinstance(recorded, Unknown) else recorded)))
    for address in recent:
        for port in paths.ssh_ports:
            found = paths.from_address(address, port)
            program = "" if found.place is None else paths.reading.owner(found.place)
            if found.place is not None and found.verdict in BLOCKED and program in BANNING:
                values = {"address": address, "program": program, "unban": _unban(program, found.place, address)}
                why = f"{address} has logged in before, and {program} bans it"
                return Holds(why, (evidence_of(paths, found.place),), values)
    return Fails("no address of the last logins is banned")


def _logged(context: Context) -> tuple[str, ...]:
    """The addresses of logins that the logs tell of, newest first; whoever else may write there invents none that
    the rules don't ban."""
    matches = context.told["login"].matches if "login" in context.told else ()
    found = dict.fromkeys(match.groups.get("address") or "" for match in reversed(matches))
    return tuple(address for address in found if logins.is_address(address))


def _unban(program: str, place: Place, address: str) -> str:
    """The command that takes an address from the list; the address was checked to be one."""
    if program == "fail2ban":
        jail = place.chain[len("f2b-") :] if place.chain.startswith("f2b-") else ""
        if jail and place.table == "filter":
            return f"fail2ban-client set {shlex.quote(jail)} unbanip {address}"
        return f"fail2ban-client unban {address}"
    if program == "CrowdSec":
        return f"cscli decisions delete --ip {address}"
    if program == "CSF":
        return f"csf -dr {address}"
    return f"agent firewall --from {address}"


def _number(facts: Facts, path: str) -> int | None:
    text = facts.target.text(path, limit=64)
    return int(text) if isinstance(text, str) and text.strip().isdecimal() else None


PROOFS: dict[str, ProofFunction] = {"conntrack_full": conntrack_full, "ban_list_hit": ban_list_hit}
