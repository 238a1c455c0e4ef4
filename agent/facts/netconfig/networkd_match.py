"""Which .network file networkd would apply to an interface (systemd.network(5), [Match])."""

from __future__ import annotations

from agent.facts.netconfig.model import InterfaceConfig, ManagerConfig
from agent.facts.netconfig.text import any_glob

# properties that neither a disk at rest nor the callers know: they match only if nothing else does
_UNKNOWABLE = ("Path", "Property", "SSID", "BSSID", "WLANInterfaceType")
_CONDITIONS = ("Host", "Virtualization", "KernelCommandLine", "KernelVersion", "Architecture", "Firmware")


def matching(
    config: ManagerConfig,
    link_name: str,
    mac: str = "",
    driver: str = "",
    type: str = "",
    kind: str | None = None,
) -> InterfaceConfig | None:
    """The first .network file that matches the interface; None when networkd would leave it alone.

    ``mac`` in the form aa:bb:cc:dd:ee:ff, ``driver`` as in sysfs, ``type`` as udev names it (ether,
    loopback, wlan), ``kind`` the netlink kind ("" for hardware). What is "" (``kind``: None) is not
    known: a file that asks for it is taken only when no other file matches for certain. Conditions of
    the host (Host=, Virtualization= ...) are treated alike.
    """
    possible: InterfaceConfig | None = None
    for interface in config.interfaces:
        verdict = _verdict(interface, link_name, mac, driver, type, kind)
        if verdict == "yes":
            return interface
        if verdict == "maybe" and possible is None:
            possible = interface
    return possible


def _verdict(interface: InterfaceConfig, name: str, mac: str, driver: str, type: str, kind: str | None) -> str:
    settings = interface.settings
    certain = True
    patterns = tuple(interface.name.split())
    if patterns and not any_glob(patterns, name):
        return "no"
    if interface.macs:
        if mac and mac.lower() not in interface.macs:
            return "no"
        certain = certain and bool(mac)
    for key, value in (("Driver", driver), ("Type", type)):
        wanted = tuple(settings.get(f"Match.{key}", "").split())
        if wanted:
            if value and not any_glob(wanted, value):
                return "no"
            certain = certain and bool(value)
    wanted = tuple(settings.get("Match.Kind", "").split())
    if wanted:
        if kind is not None and not _kind(wanted, kind):
            return "no"
        certain = certain and kind is not None
    wireless = settings.get("Match.Type") == "wlan" or any(
        settings.get(f"Match.{key}") for key in ("SSID", "BSSID", "WLANInterfaceType")
    )
    if wireless and not name.startswith("wl"):
        return "no"
    if any(settings.get(f"Match.{key}") for key in (*_UNKNOWABLE, *_CONDITIONS)):
        certain = False
    return "yes" if certain else "maybe"


def _kind(wanted: tuple[str, ...], kind: str) -> bool:
    # hardware has no kind at all: no pattern touches it, so that Kind=!* means hardware
    return any_glob(wanted, kind) if kind else all(pattern.startswith("!") for pattern in wanted)
