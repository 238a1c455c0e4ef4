"""The proof that saved firewall rules do not load: their own program refuses them, or the service failed."""

from __future__ import annotations

from agent.diagnosis.model import Context, Evidence, Fails, Holds, Proof, ProofFunction
from agent.diagnosis.proofs import generic, wanted
from agent.facts.facts import Facts
from agent.firewall.reading import Reading, Source
from agent.firewall.saved import trial
from agent.firewall.saved.boot import at_boot
from agent.firewall.saved.trial import Refusal
from agent.unknown import Unknown

SERVICES = ("netfilter-persistent", "iptables", "ip6tables", "nftables", "firewalld", "ufw")
# Their loaders put the parts of several files together: one file alone proves nothing.
_IN_PARTS = ("/etc/ufw/", "/etc/firewalld/", "/usr/lib/firewalld/")


def firewall_restore(context: Context) -> Proof:
    """A file that is loaded at boot is refused, or the service that loads it has failed."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    reading = saved(facts)
    files = [one for one in reading.sources if _is_whole(one)]
    if not facts.target.live:
        return _by_reading(reading) or generic.trusted_log(context)
    tried = {source: trial.refusal(facts.target, source) for source in files}
    for source, found in tried.items():
        if isinstance(found, Refusal):
            return _refused(facts, source, found)
    failed = _failed(facts)
    if failed:
        evidence = Evidence(f"systemctl show {failed}", "ActiveState=failed")
        also = "" if not files or any(tried.values()) else "; what it loads would be accepted now"
        return Holds(f"{failed} has failed{also}", (evidence,), {"file": failed})
    if not files or any(isinstance(found, Unknown) for found in tried.values()):
        return generic.trusted_log(context)
    return Fails("every saved file is accepted by its program")


def _is_whole(source: Source) -> bool:
    """A file that one program loads as it stands; a script's commands are not tried one by one."""
    return source.loaded_by not in ("", source.name) and not source.name.startswith(_IN_PARTS)


def saved(facts: Facts) -> Reading:
    """What would be loaded at boot; read once."""
    known = facts.derived.get(Reading)
    if not isinstance(known, Reading):
        known = at_boot(facts.target)
        facts.derived[Reading] = known
    return known


def _refused(facts: Facts, source: Source, found: Refusal) -> Holds:
    lines = facts.target.lines(found.file)
    text = found.why
    if not isinstance(lines, Unknown) and 0 < found.line <= len(lines):
        text = lines[found.line - 1].strip()[:300] or text
    where = f"{found.file}:{found.line}" if found.line else found.file
    why = f"{source.loaded_by} can't load {where}: {found.why}"
    return Holds(why, (Evidence(found.file, text, found.line),), {"file": found.file})


def _failed(facts: Facts) -> str:
    for name in SERVICES:
        if facts.unit(f"{name}.service").active == "failed":
            return f"{name}.service"
    return ""


def _by_reading(reading: Reading) -> Holds | None:
    """Of a disk nothing is run: what any version would refuse."""
    for problem in reading.ruleset.problems:
        if problem.refused:
            file = problem.why.partition(": ")[0]
            why = f"{file}:{problem.line}: {problem.why.partition(': ')[2]}"
            return Holds(why, (Evidence(file, problem.text, problem.line),), {"file": file})
    return None


PROOFS: dict[str, ProofFunction] = {"firewall_restore": firewall_restore}
