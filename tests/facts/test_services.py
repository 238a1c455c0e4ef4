"""Init and units, from the links on disk and from the live manager."""

from __future__ import annotations

import pytest

from agent.facts import services
from agent.facts.services import Enablement, Init
from agent.target.model import Kind, Mode, Output
from agent.unknown import Unknown, Why
from tests.virtual import File, Link, Node, Special, virtual

INSTALL = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
NO_INSTALL = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n"
NETWORKD = INSTALL + "Alias=dbus-org.freedesktop.network1.service\n"
WANTS = "/etc/systemd/system/multi-user.target.wants"
SCRIPT = File("#!/bin/sh\n", mode=0o755)


def unit(files: dict[str, Node], name: str, init: Init = Init.SYSTEMD) -> services.Unit:
    return services.unit(virtual(files), init, name)


# -- enabled and disabled


def test_a_wants_link_enables() -> None:
    link = f"{WANTS}/systemd-networkd.service"
    found = unit(
        {
            "/lib": Link("usr/lib"),
            "/usr/lib/systemd/system/systemd-networkd.service": NETWORKD,
            link: Link("/lib/systemd/system/systemd-networkd.service"),
        },
        "systemd-networkd.service",
    )
    assert found.enablement is Enablement.ENABLED and found.enabled
    assert found.wanted_by == (link,)
    assert found.path == "/usr/lib/systemd/system/systemd-networkd.service"


def test_without_a_link_it_is_disabled() -> None:
    found = unit({"/usr/lib/systemd/system/systemd-networkd.service": NETWORKD}, "systemd-networkd")
    assert (found.name, found.enablement) == ("systemd-networkd.service", Enablement.DISABLED)
    assert not found.starts_at_boot


def test_an_alias_left_over_does_not_start_a_unit() -> None:
    found = unit(
        {
            "/usr/lib/systemd/system/systemd-networkd.service": NETWORKD,
            "/etc/systemd/system/dbus-org.freedesktop.network1.service": Link(
                "/usr/lib/systemd/system/systemd-networkd.service"
            ),
        },
        "systemd-networkd.service",
    )
    assert found.enablement is Enablement.DISABLED


def test_a_unit_that_only_wants_an_alias_is_enabled_by_it() -> None:
    found = unit(
        {
            "/usr/lib/systemd/system/gdm.service": "[Service]\n[Install]\nAlias=display-manager.service\n",
            "/etc/systemd/system/display-manager.service": Link("/usr/lib/systemd/system/gdm.service"),
        },
        "gdm.service",
    )
    assert found.enablement is Enablement.ENABLED


def test_a_requires_link_of_the_vendor_counts() -> None:
    found = unit(
        {
            "/usr/lib/systemd/system/x.service": INSTALL,
            "/usr/lib/systemd/system/multi-user.target.requires/x.service": Link("../x.service"),
        },
        "x.service",
    )
    assert found.enabled


def test_a_unit_without_install_is_static_and_starts_when_something_wants_it() -> None:
    files: dict[str, Node] = {"/usr/lib/systemd/system/systemd-journald.service": NO_INSTALL}
    assert unit(files, "systemd-journald").enablement is Enablement.STATIC
    assert not unit(files, "systemd-journald").starts_at_boot
    files["/usr/lib/systemd/system/sysinit.target.wants/systemd-journald.service"] = Link("../x")
    assert unit(files, "systemd-journald").enablement is Enablement.STATIC
    assert unit(files, "systemd-journald").starts_at_boot


def test_a_wants_link_counts_by_its_name_even_when_it_dangles() -> None:
    found = unit(
        {
            "/usr/lib/systemd/system/x.service": INSTALL,
            f"{WANTS}/x.service": Link("/lib/systemd/system/x.service"),  # /lib is no link here
        },
        "x.service",
    )
    assert found.enabled


def test_a_wants_link_to_dev_null_takes_the_dependency_away() -> None:
    found = unit(
        {
            "/usr/lib/systemd/system/x.service": INSTALL,
            "/usr/lib/systemd/system/multi-user.target.wants/x.service": Link("../x.service"),
            f"{WANTS}/x.service": Link("/dev/null"),
        },
        "x.service",
    )
    assert not found.enabled and found.wanted_by == ()


def test_a_link_whose_unit_was_removed_is_absent() -> None:
    found = unit({f"{WANTS}/gone.service": Link("/lib/systemd/system/gone.service")}, "gone.service")
    assert found.enablement is Enablement.ABSENT


# -- masks


@pytest.mark.parametrize("mask", [Link("/dev/null"), Link("../../../dev/null"), "", Special(Kind.CHAR)])
def test_a_mask_wins_over_everything(mask: Node) -> None:
    found = unit(
        {
            "/usr/lib/systemd/system/x.service": INSTALL,
            f"{WANTS}/x.service": Link("/usr/lib/systemd/system/x.service"),
            "/etc/systemd/system/x.service": mask,
        },
        "x.service",
    )
    assert found.enablement is Enablement.MASKED and found.masked and not found.enabled
    assert found.path == "/etc/systemd/system/x.service"


def test_a_mask_hides_the_init_script_of_the_same_name() -> None:
    found = unit(
        {"/etc/systemd/system/networking.service": Link("/dev/null"), "/etc/init.d/networking": SCRIPT},
        "networking",
    )
    assert found.enablement is Enablement.MASKED


def test_a_mask_in_run_counts_only_on_the_running_host() -> None:
    files: dict[str, Node] = {
        "/usr/lib/systemd/system/x.service": INSTALL,
        "/run/systemd/system/x.service": Link("/dev/null"),
    }
    assert services.unit(virtual(files, Mode.LIVE), Init.SYSTEMD, "x").enablement is Enablement.MASKED
    assert services.unit(virtual(files, Mode.CHROOT), Init.SYSTEMD, "x").enablement is Enablement.DISABLED


# -- names


def test_etc_wins_over_usr_local_over_usr() -> None:
    files: dict[str, Node] = {
        f"/{folder}/systemd/system/x.service": INSTALL for folder in ("etc", "usr/local/lib", "usr/lib")
    }
    assert unit(files, "x").path == "/etc/systemd/system/x.service"
    del files["/etc/systemd/system/x.service"]
    assert unit(files, "x").path == "/usr/local/lib/systemd/system/x.service"


def test_an_alias_leads_to_the_unit_and_its_enablement() -> None:
    found = unit(
        {
            "/usr/lib/systemd/system/ssh.service": INSTALL,
            "/etc/systemd/system/sshd.service": Link("/lib/systemd/system/ssh.service"),
            f"{WANTS}/ssh.service": Link("/lib/systemd/system/ssh.service"),
        },
        "sshd.service",
    )
    assert found.enabled and found.path == "/usr/lib/systemd/system/ssh.service"


def test_a_linked_unit_outside_of_the_path_is_found() -> None:
    found = unit({"/opt/x/x.service": INSTALL, "/etc/systemd/system/x.service": Link("/opt/x/x.service")}, "x.service")
    assert (found.path, found.enablement) == ("/opt/x/x.service", Enablement.DISABLED)


def test_a_dangling_link_in_etc_leaves_the_vendors_unit() -> None:
    found = unit(
        {
            "/etc/systemd/system/x.service": Link("/opt/gone/x.service"),
            "/usr/lib/systemd/system/x.service": INSTALL,
        },
        "x.service",
    )
    assert found.path == "/usr/lib/systemd/system/x.service"


def test_an_instance_comes_from_its_template() -> None:
    link = "/etc/systemd/system/getty.target.wants/getty@tty1.service"
    files: dict[str, Node] = {
        "/usr/lib/systemd/system/getty@.service": INSTALL,
        link: Link("/usr/lib/systemd/system/getty@.service"),
    }
    assert unit(files, "getty@tty1.service").wanted_by == (link,)
    assert unit(files, "getty@tty2.service").enablement is Enablement.DISABLED
    assert unit(files, "getty@.service").enabled


def test_a_masked_instance_leaves_the_template_alone() -> None:
    files: dict[str, Node] = {
        "/usr/lib/systemd/system/ifup@.service": NO_INSTALL,
        "/etc/systemd/system/ifup@eth0.service": Link("/dev/null"),
    }
    assert unit(files, "ifup@eth0.service").masked
    assert unit(files, "ifup@eth1.service").enablement is Enablement.STATIC


def test_a_ring_of_aliases_ends() -> None:
    files: dict[str, Node] = {
        "/etc/systemd/system/a.service": Link("b.service"),
        "/etc/systemd/system/b.service": Link("a.service"),
    }
    assert unit(files, "a.service").enablement is Enablement.ABSENT


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a/b.service", "x\n.service", "a" * 300])
def test_a_name_that_is_none_is_absent(name: str) -> None:
    assert unit({}, name).enablement is Enablement.ABSENT


# -- init scripts under systemd


def test_debian_8s_networking_is_generated_from_its_script() -> None:
    found = unit(
        {"/etc/init.d/networking": SCRIPT, "/etc/rcS.d/S12networking": Link("../init.d/networking")},
        "networking.service",
    )
    assert found.enablement is Enablement.GENERATED and found.enabled
    assert found.path == "/etc/init.d/networking" and found.wanted_by == ("/etc/rcS.d/S12networking",)


def test_centos_7s_network_is_generated_from_its_script() -> None:
    found = unit(
        {
            "/etc/init.d": Link("rc.d/init.d"),
            "/etc/rc.d/init.d/network": SCRIPT,
            "/etc/rc3.d": Link("rc.d/rc3.d"),
            "/etc/rc.d/rc3.d/S10network": Link("../init.d/network"),
        },
        "network.service",
    )
    assert found.enabled and len(found.wanted_by) == 1


def test_a_script_without_start_links_is_disabled() -> None:
    found = unit({"/etc/init.d/x": SCRIPT, "/etc/rc3.d/K10x": Link("../init.d/x")}, "x")
    assert found.enablement is Enablement.DISABLED


def test_a_script_that_is_not_executable_is_none() -> None:
    assert unit({"/etc/init.d/x": "#!/bin/sh\n", "/etc/rc3.d/S10x": Link("../init.d/x")}, "x").path == ""


def test_a_native_unit_wins_over_the_script() -> None:
    found = unit(
        {
            "/lib/systemd/system/networking.service": INSTALL,
            "/etc/init.d/networking": SCRIPT,
            "/etc/rcS.d/S12networking": Link("../init.d/networking"),
        },
        "networking",
    )
    assert found.enablement is Enablement.DISABLED


def test_systemd_without_the_generator_knows_no_scripts() -> None:
    files: dict[str, Node] = {
        "/usr/lib/systemd/system-generators/systemd-fstab-generator": SCRIPT,
        "/etc/init.d/x": SCRIPT,
        "/etc/rc3.d/S10x": Link("../init.d/x"),
    }
    assert unit(files, "x").enablement is Enablement.ABSENT
    files["/usr/lib/systemd/system-generators/systemd-sysv-generator"] = SCRIPT
    assert unit(files, "x").enabled


# -- the other inits


def test_upstart_starts_a_job_unless_its_override_says_manual() -> None:
    files: dict[str, Node] = {"/etc/init/networking.conf": "start on (local-filesystems)\n"}
    assert unit(files, "networking.service", Init.UPSTART).enabled
    files["/etc/init/networking.override"] = "manual\n"
    assert unit(files, "networking.service", Init.UPSTART).enablement is Enablement.DISABLED


def test_chkconfig_on_red_hat_6() -> None:
    files: dict[str, Node] = {
        "/etc/inittab": "id:3:initdefault:\n",
        "/etc/init.d": Link("rc.d/init.d"),
        "/etc/rc.d/init.d/network": SCRIPT,
        "/etc/rc.d/rc3.d/S10network": Link("../init.d/network"),
    }
    assert unit(files, "network.service", Init.UPSTART).enabled
    files["/etc/inittab"] = "id:5:initdefault:\n"
    assert not unit(files, "network.service", Init.UPSTART).enabled


def test_sysv_on_debian_7() -> None:
    files: dict[str, Node] = {
        "/etc/inittab": "id:2:initdefault:\n",
        "/etc/init.d/networking": SCRIPT,
        "/etc/rcS.d/S10networking": Link("../init.d/networking"),
    }
    assert unit(files, "networking", Init.SYSVINIT).enabled
    assert not unit(files, "ssh", Init.SYSVINIT).present


def test_openrc_runlevels() -> None:
    files: dict[str, Node] = {
        "/etc/init.d/networking": SCRIPT,
        "/etc/runlevels/boot/networking": Link("/etc/init.d/networking"),
        "/etc/init.d/sshd": SCRIPT,
        "/etc/runlevels/nonetwork/sshd": Link("/etc/init.d/sshd"),
    }
    assert unit(files, "networking.service", Init.OPENRC).wanted_by == ("/etc/runlevels/boot/networking",)
    assert unit(files, "ssh.service", Init.OPENRC).enablement is Enablement.DISABLED


def test_slackware_starts_what_is_executable() -> None:
    files: dict[str, Node] = {
        "/etc/rc.d/rc.inet1": SCRIPT,
        "/etc/rc.d/rc.sshd": File("#!/bin/sh\n", mode=0o644),
        "/etc/rc.d/rc.networkmanager": File("#!/bin/sh\n", mode=0o644),
    }
    assert unit(files, "networking.service", Init.BSD).enabled
    assert unit(files, "sshd.service", Init.BSD).enablement is Enablement.DISABLED
    assert unit(files, "NetworkManager.service", Init.BSD).enablement is Enablement.DISABLED


def test_runit_on_void() -> None:
    files: dict[str, Node] = {
        "/etc/sv/dhcpcd/run": SCRIPT,
        "/etc/runit/runsvdir/default/dhcpcd": Link("/etc/sv/dhcpcd"),
        "/etc/sv/sshd/run": SCRIPT,
    }
    assert unit(files, "dhcpcd.service", Init.RUNIT).enabled
    assert unit(files, "sshd.service", Init.RUNIT).enablement is Enablement.DISABLED


# -- which init


@pytest.mark.parametrize(
    ("files", "init"),
    [
        ({"/sbin/init": Link("/lib/systemd/systemd"), "/lib/systemd/systemd": SCRIPT}, Init.SYSTEMD),
        ({"/sbin/init": Link("/lib/systemd/systemd")}, Init.SYSTEMD),
        ({"/usr/lib/systemd/systemd": SCRIPT}, Init.SYSTEMD),
        ({"/sbin/init": SCRIPT, "/etc/init/rc-sysinit.conf": "", "/etc/init.d/x": SCRIPT}, Init.UPSTART),
        ({"/sbin/init": SCRIPT, "/etc/inittab": "", "/etc/init.d/rc": SCRIPT}, Init.SYSVINIT),
        (
            {
                "/sbin/init": Link("/bin/busybox"),
                "/bin/busybox": SCRIPT,
                "/sbin/openrc": SCRIPT,
                "/etc/runlevels/boot/networking": Link("/etc/init.d/networking"),
                "/etc/inittab": "::sysinit:/sbin/openrc sysinit\n",
            },
            Init.OPENRC,
        ),
        ({"/sbin/init": SCRIPT, "/etc/rc.d/rc.M": SCRIPT, "/etc/inittab": ""}, Init.BSD),
        ({"/sbin/init": Link("runit-init"), "/sbin/runit-init": SCRIPT}, Init.RUNIT),
        ({}, Init.UNKNOWN),
    ],
)
def test_the_init_is_told_by_what_is_on_disk(files: dict[str, Node], init: Init) -> None:
    assert services.init(virtual(files)) is init


def test_a_running_systemd_is_seen_in_run() -> None:
    assert services.init(virtual({"/run/systemd/system/x": ""}, Mode.LIVE)) is Init.SYSTEMD


# -- live

SHOW = ("systemctl", "show", "networking.service", "--no-pager", "-p")
ASKED = "ActiveState,SubState,Result,LoadState,UnitFileState,NRestarts,ConditionResult"


def live(answer: str | Output | Unknown) -> services.Unit:
    files = {"/lib/systemd/system/networking.service": INSTALL}
    return services.unit(virtual(files, Mode.LIVE, {(*SHOW, ASKED): answer}), Init.SYSTEMD, "networking.service")


def test_the_live_state_is_what_systemctl_shows() -> None:
    found = live(
        "Result=exit-code\nNRestarts=3\nLoadState=loaded\nActiveState=failed\nSubState=failed\n"
        "UnitFileState=enabled\nConditionResult=yes\n"
    )
    assert (found.active, found.sub, found.result, found.restarts) == ("failed", "failed", "exit-code", 3)


def test_a_systemctl_that_answers_for_nobody_is_not_believed() -> None:
    # inside a chroot: a message and exit status 0
    answer = Output(SHOW, 0, "", "Running in chroot, ignoring command 'show'\n", 0.0)
    found = live(answer)
    assert isinstance(found.active, Unknown) and "chroot" in found.active.reason


def test_offline_nobody_is_asked() -> None:
    found = unit({"/lib/systemd/system/networking.service": INSTALL}, "networking")
    assert isinstance(found.active, Unknown) and found.active.why is Why.NOT_LIVE


def test_failed_units_are_listed() -> None:
    argv = ("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--full")
    text = (
        "networking.service loaded failed failed Raise network interfaces\n"
        "● ifup@eth0.service loaded failed failed ifup for eth0\n"
    )
    target = virtual({}, Mode.LIVE, {argv: text})
    assert services.failed_units(target) == ("networking.service", "ifup@eth0.service")
    assert isinstance(services.failed_units(virtual({})), Unknown)


def test_openrc_is_asked_by_rc_service() -> None:
    files: dict[str, Node] = {"/etc/init.d/networking": SCRIPT}
    for text, state in ((" * status: started\n", "active"), (" * status: crashed\n", "failed")):
        target = virtual(files, Mode.LIVE, {("rc-service", "networking", "status"): text})
        assert services.unit(target, Init.OPENRC, "networking.service").active == state
