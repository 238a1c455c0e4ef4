"""What ufw loads at boot: /etc/default/ufw, /etc/ufw/ufw.conf and its rules files, in the order of ufw-init.

ufw-init(8) fills chains of its own with ``iptables-restore --noflush``: first the primary chains and the jumps to
them, then before.rules, after.rules and user.rules, last the policies. ufw(8) and its ufw-framework(8) say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.facts.shell_words import assignments
from agent.firewall.model import Backend, Family
from agent.firewall.saved import files
from agent.firewall.saved.loaded import Loaded
from agent.target import Target
from agent.target.model import Stat
from agent.unknown import Unknown

DEFAULTS = "/etc/default/ufw"
SETTINGS = "/etc/ufw/ufw.conf"
_DIRECTIONS = ("input", "output", "forward")
_PRIMARY = ("before-logging", "before", "after", "after-logging", "reject", "track")
_INIT = "ufw-init"


def load(target: Target, loaded: Loaded, backend: Callable[[Family], Backend], service: str) -> None:
    """Load what ``ufw-init start`` would; ``service`` is what starts it."""
    settings = _settings(target, loaded)
    if settings is None:
        return
    if settings.get("ENABLED") not in ("yes", "YES"):
        loaded.idle(SETTINGS, backend(Family.IP))
        return
    loaded.manager("ufw")
    if loaded.has_chain(Family.IP, backend(Family.IP), "ufw-user-input"):
        loaded.say("rules that were saved while ufw was active are loaded before it: ufw then loads nothing itself")
        return
    for script in ("before.init", "after.init"):
        stat = target.stat(f"/etc/ufw/{script}")
        if not isinstance(stat, Unknown) and stat.executable:
            loaded.say(f"/etc/ufw/{script} is executable: what it does is not followed")
    if settings.get("MANAGE_BUILTINS") == "yes":
        _flush(loaded, backend)
    if settings.get("IPV6") in ("yes", "YES"):
        families: tuple[Family, ...] = (Family.IP, Family.IP6)
    else:
        families = (Family.IP,)
        loaded.restore(_no_ipv6(), DEFAULTS, Family.IP6, backend(Family.IP6))
        loaded.loads(DEFAULTS, backend(Family.IP6), Family.IP6, service)
    for family in families:
        files.check_program(target, loaded, family, SETTINGS)
        _family(target, loaded, settings, family, backend(family), service)


def _settings(target: Target, loaded: Loaded) -> dict[str, str] | None:
    """Both files as a shell reads them; None where ufw-init would stop: one is missing or empty."""
    values: dict[str, str] = {}
    for path in (DEFAULTS, SETTINGS):
        text = target.text(path)
        if isinstance(text, Unknown) or not text:
            why = text.reason if isinstance(text, Unknown) else f"{path}: empty"
            loaded.say(f"ufw loads nothing without its settings ({why})")
            return None
        values = assignments(text, expand=True, known=values)
    return values


def _flush(loaded: Loaded, backend: Callable[[Family], Backend]) -> None:
    """MANAGE_BUILTINS=yes: the rules of all others go first."""
    for family in (Family.IP, Family.IP6):
        loaded.flush(family, backend(family), "filter", chains=True)
        loaded.flush(family, backend(family), "mangle", chains=False)
    loaded.flush(Family.IP, backend(Family.IP), "nat", chains=False)


def _family(
    target: Target, loaded: Loaded, settings: dict[str, str], family: Family, backend: Backend, service: str
) -> None:
    six = "6" if family is Family.IP6 else ""
    policies = {way: settings.get(f"DEFAULT_{way.upper()}_POLICY", "") for way in _DIRECTIONS}

    def restore(lines: Iterator[str] | tuple[str, ...], file: str = _INIT) -> None:
        loaded.restore("\n".join(("*filter", *lines, "COMMIT")), file, family, backend, noflush=True)

    restore(tuple(_primary(f"ufw{six}")))
    restore(tuple(_by_policy(f"ufw{six}", policies)))
    for name in ("before", "after"):
        _file(target, loaded, f"/etc/ufw/{name}{six}.rules", family, backend, service)
    user = _user_rules(target, six)
    stat = target.stat(user)
    if isinstance(stat, Stat) and stat.size:
        restore(tuple(f":ufw{six}-user-{part} - [0:0]" for part in _USER))
        _file(target, loaded, user, family, backend, service)
        restore(tuple(f"-A ufw{six}-before-{way} -j ufw{six}-user-{way}" for way in _DIRECTIONS))
    else:
        loaded.say(f"{user} is missing or empty: ufw loads no rules of the user")
    restore(tuple(f":{way.upper()} {_built_in(policies[way])} [0:0]" for way in _DIRECTIONS), DEFAULTS)


_USER = (*_DIRECTIONS, *(f"logging-{way}" for way in _DIRECTIONS), "limit", "limit-accept")


def _user_rules(target: Target, six: str) -> str:
    """Where the user's rules stand: up to ufw 0.34 in /lib/ufw."""
    path, old = f"/etc/ufw/user{six}.rules", f"/lib/ufw/user{six}.rules"
    return old if not target.exists(path) and target.exists(old) else path


def _built_in(policy: str) -> str:
    return "DROP" if policy == "REJECT" else policy


def _primary(ufw: str) -> Iterator[str]:
    for part in _PRIMARY:
        for way in _DIRECTIONS:
            yield f":{ufw}-{part}-{way} - [0:0]"
    for way in _DIRECTIONS:
        for part in _PRIMARY:
            yield f"-A {way.upper()} -j {ufw}-{part}-{way}"


def _by_policy(ufw: str, policies: dict[str, str]) -> Iterator[str]:
    """The chains that hang on the policies, and those that log."""
    for name in ("logging-deny", "logging-allow", *(f"skip-to-policy-{way}" for way in _DIRECTIONS)):
        yield f":{ufw}-{name} - [0:0]"
    for way, policy in policies.items():
        if policy == "REJECT":
            yield f"-A {ufw}-reject-{way} -j REJECT"
        if policy == "ACCEPT":
            for protocol in ("tcp", "udp"):
                yield f"-A {ufw}-track-{way} -p {protocol} -m conntrack --ctstate NEW -j ACCEPT"
        yield f"-A {ufw}-skip-to-policy-{way} -j {policy}"


def _no_ipv6() -> str:
    """IPV6=no: nothing but the loopback passes."""
    policies = "".join(f":{way.upper()} DROP [0:0]\n" for way in _DIRECTIONS)
    return f"*filter\n{policies}-A INPUT -i lo -j ACCEPT\n-A OUTPUT -o lo -j ACCEPT\nCOMMIT\n"


def _file(target: Target, loaded: Loaded, path: str, family: Family, backend: Backend, service: str) -> None:
    text = target.text(path)
    if isinstance(text, Unknown) or not text:
        why = text.reason if isinstance(text, Unknown) else f"{path}: empty"
        loaded.say(f"ufw can't load its rules: {why}")
        return
    loaded.restore(text, path, family, backend, noflush=True)
    loaded.loads(path, backend, family, service)
