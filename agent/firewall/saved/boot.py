"""What would be loaded at the next boot of a target, and by whom."""

from __future__ import annotations

from agent.firewall.owners import owners
from agent.firewall.reading import Reading
from agent.firewall.saved import addresses, scripts, services
from agent.firewall.saved.loaded import Loaded
from agent.target import Target


def at_boot(target: Target) -> Reading:
    """The rule-set after a boot, from files and links alone: nothing is run, and nothing is loaded.

    A source without ``loaded_by`` is a file that is there and that nothing loads. Who loads last where several do
    is said in ``unchecked``, like scripts that can't be followed.
    """
    loaded = Loaded()
    known = services.Services(target)
    services.load(known, loaded)
    scripts.load(known, loaded)
    ruleset = loaded.ruleset()
    return Reading(
        ruleset,
        addresses.host(target),
        tuple(loaded.sources),
        owners(ruleset),
        tuple(loaded.managers),
        tuple(loaded.unchecked),
    )
