"""The recorded and the published reports beside the checkout, and what each says."""

from __future__ import annotations

import json
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"

# What the names of the recorded files say, as a verdict, the hop where it begins, and the hops.
RECORDED = {
    "admin_prohibited_at_hop4.txt": ("destination_only_100", 5, 5),
    "all_fields.txt": ("healthy", None, 5),
    "blackhole_after_hop2.txt": ("unresponsive_to_end", 2, 3),
    "csv.txt": ("healthy", None, 5),
    "csv_z.txt": ("healthy", None, 5),
    "d_link_down_r4_arp_fails.txt": ("destination_only_100", 5, 5),
    "dest_drops_all.txt": ("unresponsive_to_end", 4, 5),
    "dest_drops_all_b_z.txt": ("unresponsive_to_end", 4, 5),
    "dest_drops_all_json.txt": ("unresponsive_to_end", 4, 5),
    "dns_failure.txt": ("no_route", None, 0),
    "gateway_totally_silent.txt": ("no_route", None, 0),
    "gateway_totally_silent_csv.txt": ("no_route", None, 0),
    "gateway_totally_silent_json.txt": ("no_route", None, 0),
    "gateway_totally_silent_xml.txt": ("no_route", None, 0),
    "healthy_report_not_wide.txt": ("healthy", None, 5),
    "healthy_rwbzc.txt": ("healthy", None, 5),
    "healthy_wide_no_dns.txt": ("healthy", None, 5),
    "json.txt": ("healthy", None, 5),
    "json_z.txt": ("healthy", None, 5),
    "no_route_on_source.txt": ("no_route", None, 0),
    "persistent_loss_after_hop2.txt": ("persistent_loss", 3, 5),
    "r4_link_down_net_host_unreachable.txt": ("unresponsive_to_end", 4, 4),
    "rate_limit_hop2.txt": ("rate_limited_hops_only", None, 5),
    "raw.txt": ("healthy", None, 5),
    "route_loop_r3_r4.txt": ("loop", 3, 30),
    "seed_command_two_hosts.txt": ("healthy", None, 5),
    "silent_hop2_3.txt": ("healthy", None, 5),
    "silent_hop2_3_csv.txt": ("healthy", None, 5),
    "silent_hop2_3_json.txt": ("healthy", None, 5),
    "silent_hop2_single.txt": ("healthy", None, 5),
    "tcp_22_closed.txt": ("healthy", None, 5),
    "udp.txt": ("healthy", None, 5),
    "xml.txt": ("healthy", None, 5),
}


def published() -> dict[str, tuple[str, int | None]]:
    """The labels of the published reports: file to verdict and hop."""
    found = {}
    for line in (SAMPLES / "real" / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        if label["kind"].startswith("mtr"):
            verdict, _, hop = label["labels"][0].partition("_from_hop ")
            found[label["file"]] = (verdict, int(hop) if hop else None)
    return found
