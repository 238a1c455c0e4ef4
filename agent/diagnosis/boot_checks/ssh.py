"""sshd: installed, startable, enabled, with a configuration that it accepts and keys that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.diagnosis.boot_checks import model, programs
from agent.diagnosis.boot_checks.model import BootCheck, Checked
from agent.facts import ssh
from agent.facts.services import Init
from agent.facts.ssh import DEFAULT_PORT, Directive
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

KEYS = tuple(f"/etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519", "mldsa44_ed25519"))
UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")
_OTHERS = ("dropbear", "tinysshd")
_HELPER = re.compile(rb"\0(/[\w./+-]{1,200}/sshd-(?:session|auth))\0")
_EMPTY = re.compile(rb"\0(/var/empty(?:/sshd)?|/usr/share/empty\.sshd|/var/lib/(?:empty|sshd)|/var/chroot/ssh)\0")
_YES_NO = {
    "passwordauthentication": (),
    "pubkeyauthentication": (),
    "kbdinteractiveauthentication": (),
    "challengeresponseauthentication": (),
    "permitemptypasswords": (),
    "usepam": (),
    "x11forwarding": (),
    "strictmodes": (),
    "usedns": (),
    "printmotd": (),
    "printlastlog": (),
    "permitrootlogin": ("prohibit-password", "without-password", "forced-commands-only"),
}


def checks(checked: Checked) -> Iterator[BootCheck]:
    sshd = checked.facts.sshd
    if not sshd.installed:
        other = next((name for name in _OTHERS if isinstance(checked.target.find_program(name), str)), "")
        if other:
            yield model.unknown("ssh", f"no sshd is installed; {other} is, and is not looked at")
        else:
            yield model.doubt("ssh", "no sshd is installed: only Lish leads in")
        return
    found = [
        *programs.started(checked, "ssh", sshd.program),
        *_enabled(checked),
        *_config(checked),
        *_binary(checked),
        *_keys(checked),
        *_user(checked),
    ]
    yield from found
    if not any(one.state in (model.BootState.PROBLEM, model.BootState.DOUBT) for one in found):
        ports = ", ".join(str(port) for port in sshd.ports)
        yield model.ok("ssh", f"sshd is enabled, its configuration and keys are in order, port {ports}{_root(checked)}")


def _enabled(checked: Checked) -> Iterator[BootCheck]:
    units = [checked.facts.unit(name) for name in UNITS]
    started = [unit for unit in units if unit.starts_at_boot and not unit.masked]
    if not started:
        there = [f"{unit.name} is {'masked' if unit.masked else 'not enabled'}" for unit in units if unit.present]
        name = next((unit.name for unit in units if unit.present), "ssh.service")
        yield model.problem(
            "ssh", f"sshd does not start at boot: {', '.join(there) or 'nothing starts it'}", *_enable(checked, name)
        )
    elif checked.target.exists("/etc/ssh/sshd_not_to_be_run"):
        why = "/etc/ssh/sshd_not_to_be_run keeps sshd from starting"
        yield model.problem("ssh", why, f"rm {checked.place}/etc/ssh/sshd_not_to_be_run")


def _enable(checked: Checked, name: str) -> tuple[str, ...]:
    if checked.facts.init is Init.SYSTEMD:
        option = f"--root={checked.place} " if checked.place else ""
        return (f"systemctl {option}unmask {name}", f"systemctl {option}enable {name}")
    if checked.facts.init is Init.OPENRC:
        return (checked.inside("rc-update add sshd default"),)
    if checked.facts.init in (Init.SYSVINIT, Init.UPSTART):
        return (checked.inside(f"update-rc.d {name.partition('.')[0]} defaults"),)
    return ()


def _directives(checked: Checked, unread: list[str]) -> tuple[Directive, ...]:
    return tuple(ssh.directives(checked.target, checked.facts.sshd.config, unread))


def _config(checked: Checked) -> Iterator[BootCheck]:
    sshd = checked.facts.sshd
    if not sshd.config:
        yield model.problem("ssh", "there is no /etc/ssh/sshd_config: sshd does not start without it")
        return
    unread: list[str] = []
    lines = _directives(checked, unread)
    test = checked.inside(f"{sshd.program} -t")
    if unread:
        yield model.unknown("ssh", unread[0])
    words = _words(checked)
    for one in lines:
        place = f"{one.path}:{one.line}"
        if words and (len(one.keyword) < 4 or one.keyword.encode() + b"\0" not in words):
            yield model.problem("ssh", f"{place}: sshd knows no {one.keyword!r}, and does not start", test)
            return
        if not one.values and one.keyword != "include":
            yield model.problem("ssh", f"{place}: {one.keyword} has no value, and sshd does not start", test)
            return
        allowed = _YES_NO.get(one.keyword)
        wrong = allowed is not None and one.values[0].lower() not in ("yes", "no", *allowed)
        if wrong or (one.keyword == "port" and _number(one.values[0]) not in range(1, 65536)):
            why = f"{place}: {one.keyword} can't be {one.values[0]!r}, and sshd does not start"
            yield model.problem("ssh", why, test)
            return


def _number(text: str) -> int:
    """A port's number; 22 for the name of a service, which sshd looks up itself."""
    return int(text) if text.isdecimal() and len(text) < 10 else DEFAULT_PORT if text.isalpha() else 0


def _words(checked: Checked) -> bytes:
    """The program's own text in lower case, which holds all keywords that it knows; b"" when it seems not to."""
    data = checked.target.read(checked.facts.sshd.program, 16 * 1024 * 1024)
    if isinstance(data, Unknown):
        return b""
    data = data.lower()
    known = (b"permitrootlogin\0", b"authorizedkeysfile\0", b"passwordauthentication\0")
    return data if all(word in data for word in known) else b""


def _binary(checked: Checked) -> Iterator[BootCheck]:
    """What sshd starts for each connection, and the empty folder that it locks itself into."""
    data = checked.target.read(checked.facts.sshd.program, 16 * 1024 * 1024)
    if isinstance(data, Unknown):
        return
    helpers = sorted({match.decode() for match in _HELPER.findall(data)})
    for helper in helpers:
        yield from programs.started(checked, "ssh", helper)
    for path in sorted({match.decode() for match in _EMPTY.findall(data)}):
        stat = checked.target.stat(path)
        if isinstance(stat, Unknown):
            if stat.absent:
                yield model.doubt(
                    "ssh", f"{path}, where sshd locks itself in, does not exist", f"mkdir -p {checked.place}{path}"
                )
        elif stat.kind is Kind.DIR and (stat.uid != 0 or stat.mode & 0o022):
            why = f"{path}, where sshd locks itself in, must be root's alone (mode {stat.mode:04o}, uid {stat.uid})"
            fixes = (f"chown root: {checked.place}{path}", f"chmod 755 {checked.place}{path}")
            yield model.problem("ssh", why, *fixes)


def _keys(checked: Checked) -> Iterator[BootCheck]:
    lines = _directives(checked, [])
    named = tuple(one.values[0] for one in lines if one.keyword == "hostkey" and one.values)
    wrong: dict[str, str] = {}
    for path in named or KEYS:
        why = _key(checked, path)
        if why == "":
            return  # one is enough
        if why:
            wrong[path] = why
    if wrong:
        opened = [path for path, why in wrong.items() if "by others" in why]
        fixes = [f"chmod 600 {checked.place}{path}" for path in opened]
        if not opened:
            fixes = ["rm " + " ".join(checked.place + path for path in wrong), checked.inside("ssh-keygen -A")]
        yield model.problem("ssh", f"sshd takes none of its host keys: {next(iter(wrong.values()))}", *fixes)
        return
    generated = _generated(checked)
    if generated:
        return
    why = f"there is no host key ({(named or KEYS)[0]} ...): sshd does not start"
    yield model.problem("ssh", why, checked.inside("ssh-keygen -A"))


def _key(checked: Checked, path: str) -> str | None:
    """What is wrong with a host key, "" when nothing is; None when there is none."""
    stat = checked.target.stat(path)
    if not isinstance(stat, Stat):
        return None if stat.absent else ""
    if stat.size == 0:
        return f"{path} is empty"
    if stat.uid == 0 and stat.mode & 0o077 and not (stat.gid and stat.mode & 0o037 == 0):
        return f"{path} may be read by others (mode {stat.mode:04o})"
    text = checked.target.text(path, 64 * 1024)
    if isinstance(text, str) and "PRIVATE KEY-----" not in text:
        return f"{path} holds no private key"
    return ""


def _generated(checked: Checked) -> str:
    """Who makes host keys at boot where there are none: Red Hat's and SUSE's units, Alpine's script, cloud-init."""
    for name in ("sshd-keygen.target", "sshd-keygen@.service", "sshd-keygen.service", "sshdgenkeys.service"):
        if checked.facts.unit(name).present:
            return name
    for name in ("ssh.service", "sshd.service"):
        path = checked.facts.unit(name).path
        text = checked.target.text(path) if path else ""
        if isinstance(text, str) and re.search(r"ssh-?keygen|gen-keys", text):
            return path
    return "cloud-init" if checked.facts.unit("cloud-init.service").starts_at_boot else ""


def _user(checked: Checked) -> Iterator[BootCheck]:
    """The user that sshd becomes; distributions that call him otherwise are not judged."""
    if not checked.facts.distro.is_a("debian", "ubuntu", "rhel", "fedora", "centos", "suse", "opensuse", "alpine"):
        return
    text = checked.target.text("/etc/passwd")
    if isinstance(text, Unknown):
        yield (
            model.problem("ssh", f"nobody can log in: {text.reason}")
            if text.absent
            else model.unknown("ssh", text.reason)
        )
        return
    if not re.search(r"^root:", text, re.MULTILINE):
        yield model.problem("ssh", "/etc/passwd has no root")
    shipped = checked.target.text("/usr/lib/passwd")
    made = any(checked.target.glob(f"{folder}/*ssh*.conf") for folder in ("/usr/lib/sysusers.d", "/etc/sysusers.d"))
    if not re.search(r"^sshd:", text + (shipped if isinstance(shipped, str) else ""), re.MULTILINE) and not made:
        yield model.problem("ssh", "/etc/passwd has no user sshd, without whom sshd does not start")


def _root(checked: Checked) -> str:
    """Said, not judged: whether root gets in with a password."""
    lines = [one for one in _directives(checked, []) if one.keyword == "permitrootlogin" and not one.matched]
    value = lines[0].values[0].lower() if lines and lines[0].values else "prohibit-password"
    if value == "yes":
        return ""
    return "; root may not log in" if value == "no" else "; root may log in with a key only"
