"""NetworkManager's own configuration: NetworkManager.conf and its conf.d folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.facts.netconfig.confdirs import collect
from agent.facts.netconfig.glib_keyfile import parse
from agent.facts.netconfig.text import glob
from agent.target import Target
from agent.unknown import Unknown

_LIMIT = 128 * 1024


@dataclass(frozen=True)
class NmSettings:
    """What of it decides over which devices and profiles are used.

    ``unmanaged`` are device specs as written (``interface-name:eth*``, ``mac:...``, ``except:...``);
    ``values`` has every setting as ``section.key``; ``broken`` the files that don't parse: with one of
    them NetworkManager does not start.
    """

    files: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()  # () where the built-in default holds
    unmanaged: tuple[str, ...] = ()
    ifupdown_managed: bool = False  # [ifupdown] managed: false leaves interfaces of /etc/network/interfaces alone
    no_auto_default: tuple[str, ...] = ()
    dns: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()

    def leaves_alone(self, name: str, mac: str = "") -> bool:
        """Whether ``unmanaged`` covers a device, by its name and MAC. Other specs are not judged."""
        hit = False
        for spec in self.unmanaged:
            negated = spec.startswith("except:")
            plain = spec[len("except:") :] if negated else spec
            if _spec(plain, name, mac):
                if negated:
                    return False
                hit = True
        return hit


def _spec(spec: str, name: str, mac: str) -> bool:
    kind, colon, value = spec.partition(":")
    if spec == "*":
        return True
    if colon and kind == "interface-name":
        return value[1:] == name if value.startswith("=") else glob(value.lstrip("~"), name)
    if (colon and kind == "mac") or spec.count(":") == 5:
        return bool(mac) and (value if kind == "mac" else spec).lower() == mac.lower()
    return not colon and spec == name


def nm_settings(target: Target) -> NmSettings:
    """Reads the files in NetworkManager's order, later ones over earlier ones."""
    run = ("/run/NetworkManager/conf.d",) if target.live else ()
    folders = ("/etc/NetworkManager/conf.d", *run, "/usr/lib/NetworkManager/conf.d")
    snippets, _ = collect(target, folders, ".conf")
    lower = [file.path for file in snippets if not file.path.startswith("/etc/") and not file.masked]
    upper = [file.path for file in snippets if file.path.startswith("/etc/") and not file.masked]
    values: dict[str, str] = {}
    files: list[str] = []
    broken: list[str] = []
    for path in (*lower, "/etc/NetworkManager/NetworkManager.conf", *upper):
        data = target.read(path, limit=_LIMIT)
        if isinstance(data, Unknown):
            continue
        files.append(path)
        found = parse(data)
        if found.error:
            broken.append(f"{path}:{found.error_line}: {found.error}")
            continue
        for section, entries in found.groups.items():
            for key in entries:
                _assign(values, section, key, found.get(section, key) or "")
    return NmSettings(
        tuple(files),
        _list(values.get("main.plugins", "")),
        _list(values.get("keyfile.unmanaged-devices", "")),
        values.get("ifupdown.managed", "false").lower() in ("true", "yes", "on", "1"),
        _list(values.get("main.no-auto-default", "")),
        values.get("main.dns", ""),
        values,
        tuple(broken),
    )


def _assign(values: dict[str, str], section: str, key: str, value: str) -> None:
    """``key+=`` adds to a list, ``key-=`` takes from it (NetworkManager.conf(5))."""
    name = f"{section}.{key.rstrip('+-')}"
    if key.endswith("+"):
        values[name] = ";".join(filter(None, (values.get(name, "").rstrip(";"), value)))
    elif key.endswith("-"):
        gone = set(_list(value))
        values[name] = ";".join(word for word in _list(values.get(name, "")) if word not in gone)
    else:
        values[name] = value


def _list(value: str) -> tuple[str, ...]:
    return tuple(word for word in value.replace(";", " ").replace(",", " ").split() if word)


def ifcfg_plugin(target: Target) -> bool:
    """Whether the plugin that reads RHEL's ifcfg files is on disk."""
    return any(
        target.glob(f"{base}/NetworkManager/{rest}libnm-settings-plugin-ifcfg-rh.so")
        for base in ("/usr/lib64", "/usr/lib", "/usr/lib/*-linux-gnu*")
        for rest in ("", "*/")
    )
