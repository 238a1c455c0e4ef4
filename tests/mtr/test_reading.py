"""Reports as people paste them: every form, and whatever stands around them."""

from __future__ import annotations

import pytest

from agent.errors import UsageError
from agent.mtr.judge import judge
from agent.mtr.model import Form, Hop, Protocol, Report, Router
from agent.mtr.reading import read
from tests.mtr.samples import RECORDED, SAMPLES, published

HEADER = "HOST: vm            Loss%   Snt   Last   Avg  Best  Wrst StDev\n"
ROWS = """\
  1.|-- 198.51.100.2   0.0%    10    0.1   0.2   0.1   0.3   0.1
  2.|-- ???           100.0    10    0.0   0.0   0.0   0.0   0.0
  3.|-- 203.0.113.10  20.0%    10  2010. 1724. 237.6 3061. 939.4
"""
PLAIN = "Start: 2026-11-22T14:46:13+0000\n" + HEADER + ROWS
HOPS = (
    Hop(1, (Router(address="198.51.100.2"),), 0.0, 10, 0.1, 0.2, 0.1, 0.3, 0.1),
    Hop(2, (), 100.0, 10),
    Hop(3, (Router(address="203.0.113.10"),), 20.0, 10, 2010.0, 1724.0, 237.6, 3061.0, 939.4),
)


def one(text: str | bytes) -> Report:
    reading = read("pasted", text if isinstance(text, bytes) else text.encode())
    assert reading.unread == (), reading.unread
    (report,) = reading.reports
    return report


def routers(report: Report) -> list[str]:
    return [hop.router for hop in report.hops]


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_reports(name: str) -> None:
    verdict, hop, hops = RECORDED[name]
    reading = read(name, (SAMPLES / "mtr" / name).read_bytes())
    assert reading.unread == ()
    for report in reading.reports:
        found = judge(report)
        assert (found.verdict.value, found.hop, len(report.hops)) == (verdict, hop, hops)


def test_every_recorded_file_is_looked_at() -> None:
    assert {path.name for path in (SAMPLES / "mtr").iterdir()} == set(RECORDED)


@pytest.mark.parametrize("name", sorted(published()))
def test_published_reports(name: str) -> None:
    verdict, hop = published()[name]
    (report,) = read(name, (SAMPLES / "real" / name).read_bytes()).reports
    found = judge(report)
    assert found.verdict.value == verdict
    assert hop is None or found.hop == hop


def test_a_command_with_two_destinations_makes_two_reports() -> None:
    reading = read("x", (SAMPLES / "mtr" / "seed_command_two_hosts.txt").read_bytes())
    assert [report.destination for report in reading.reports] == ["198.51.100.18", "203.0.113.10"]
    assert [report.line for report in reading.reports] == [2, 9]


def test_the_values_of_a_plain_report() -> None:
    report = one(PLAIN)
    assert report.hops == HOPS
    assert (report.form, report.source, report.started) == (Form.TEXT, "vm", "2026-11-22T14:46:13+0000")
    assert report.cycles == 10


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("  ", "\t"),
        " ".join(PLAIN.split(" ")).replace("   ", " ").replace("  ", " "),
        "\n".join("> " + line for line in PLAIN.splitlines()),
        "\n".join(">> > " + line for line in PLAIN.splitlines()),
        "```\n" + PLAIN + "```",
        "[code]" + PLAIN + "[/code]",
        "<pre><code>" + PLAIN + "</code></pre>",
        PLAIN.replace("\n", "<br>\n").replace("  ", "&nbsp; "),
        PLAIN.replace(" ", "\xa0"),
        PLAIN.replace(".|--", ".|–"),
        PLAIN.replace("|--", "│--"),
        "\ufeff" + PLAIN,
        "Hallo,\nmein Server antwortet nicht! Loss ist 20 %:\n\n" + PLAIN + "\nDanke\n-- \nJ.\n",
        "サーバーに接続できません\n" + PLAIN,
        "\x1b[1m" + PLAIN.replace("20.0%", "\x1b[31m20.0%\x1b[0m"),
        ROWS,
        HEADER + "\n" + ROWS.replace("\n", "\n\n"),
        PLAIN.replace(".|--", "."),
        PLAIN.replace("20.0%", "20.0 ").replace(" 0.0%", " 0.0 "),
        PLAIN.replace(".0%", ",0%").replace("237.6", "237,6"),
        "    " + PLAIN.replace("\n", "\n    "),
        HEADER + ROWS.replace("\n  ", " "),
    ],
)
def test_what_mail_and_web_pages_do_to_it_changes_nothing(text: str) -> None:
    assert one(text).hops == HOPS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1"])
def test_encodings_of_other_editors(encoding: str) -> None:
    assert one(("é\n" + PLAIN).encode(encoding)).hops == HOPS


def test_edited_rows_as_in_the_guide() -> None:
    report = one(
        "root@localhost:~# mtr --report www.google.com\nHOST: localhost   Loss%   Snt   Last   Avg  Best  Wrst StDev\n"
        " 1. 63.247.74.43 0.0% 10 0.3 0.6 0.3 1.2 0.3\n"
        + "".join(f" {number}. ???  0.0% 10 0.0 0.0 0.0 0.0 0.0\n" for number in range(2, 8))
    )
    assert routers(report) == ["63.247.74.43"] + ["???"] * 6
    assert all(hop.silent and hop.loss == 100 for hop in report.hops[1:])
    assert report.destination == "www.google.com"
    assert judge(report).verdict.value == "unresponsive_to_end"


def test_names_with_addresses_and_networks() -> None:
    report = one(
        "HOST: me                                Loss%   Snt   Last   Avg  Best  Wrst StDev\n"
        "  1. AS???    _gateway (192.0.2.1)       0.0%   100    0.9   1.0   0.8   2.6   0.1\n"
        "  2. AS63949  2600:3c01:3333:5::1        0.0%   100    0.6   0.9   0.5  17.1   1.8\n"
        "  3. AS15169  sfo.net (2607:f8b0::200e)  0.0%   100    4.3   4.3   4.2   4.8   0.0\n"
    )
    assert [(hop.routers[0].name, hop.routers[0].address, hop.asn) for hop in report.hops] == [
        ("_gateway", "192.0.2.1", ""),
        ("", "2600:3c01:3333:5::1", "AS63949"),
        ("sfo.net", "2607:f8b0::200e", "AS15169"),
    ]


def test_columns_are_taken_from_the_header() -> None:
    report = one(
        "HOST: vm  Loss% Drop   Rcv   Snt  Last  Best   Avg  Wrst StDev Gmean Jttr Javg Jmax Jint\n"
        "  1.|-- 198.51.100.2 25.0%  1   3   4   0.4   0.1   0.3   0.9   0.2   0.7  0.6  0.5  0.4  0.3\n"
    )
    assert report.hops == (Hop(1, (Router(address="198.51.100.2"),), 25.0, 4, 0.4, 0.3, 0.1, 0.9, 0.2),)
    without = one("HOST: vm  Loss% Avg\n  1.|-- 198.51.100.2 25.0% 0.3\n")
    assert (without.hops[0].sent, without.hops[0].average) == (None, 0.3)


def test_more_routers_and_labels_of_a_hop() -> None:
    report = one(
        HEADER + "  1.|-- a.example  0.0% 10 0.1 0.1 0.1 0.1 0.0\n"
        "        b.example (192.0.2.7)\n"
        "        [MPLS: Lbl 24015 TC 0 S u TTL 1]\n"
        "  2.|-- c.example  0.0% 10 0.1 0.1 0.1 0.1 0.0\n"
    )
    assert [str(router) for router in report.hops[0].routers] == ["a.example", "b.example (192.0.2.7)"]
    assert report.hops[0].labels == ("MPLS: Lbl 24015 TC 0 S u TTL 1",)
    assert len(report.hops) == 2


def test_the_screens_dump() -> None:
    report = one(
        "                             My traceroute  [v0.95]\n"
        "me (192.0.2.9) -> www.example.com (203.0.113.10)        2026-11-22T14:46:13+0000\n"
        "Keys:  Help   Display mode   Restart statistics   Order of fields   quit\n"
        "                                       Packets               Pings\n"
        " Host                                Loss%   Snt   Last   Avg  Best  Wrst StDev\n"
        " 1. 192.0.2.1                         0.0%     4    0.8   0.8   0.7   0.9   0.0\n"
        " 2. (waiting for reply)\n"
        " 3. 203.0.113.10                      0.0%     4    0.8   0.8   0.7   0.9   0.0\n"
    )
    assert (report.form, report.destination, report.destination_address) == (
        Form.SCREEN,
        "www.example.com",
        "203.0.113.10",
    )
    assert routers(report) == ["192.0.2.1", "???", "203.0.113.10"]


@pytest.mark.parametrize(
    ("line", "protocol", "destination"),
    [
        ("$ mtr -rwbzc 100 -i 0.2 192.0.2.5", Protocol.ICMP, "192.0.2.5"),
        ("root@h:~# mtr --tcp -P 22 --report-wide example.org", Protocol.TCP, "example.org"),
        ("PS C:\\> sudo mtr -uc10 -r example.org", Protocol.UDP, "example.org"),
        ("% /usr/sbin/mtr -r -T example.org -P 443", Protocol.TCP, "example.org"),
        ("$ ip netns exec a mtr --report --report-cycles=5 2001:db8::1", Protocol.ICMP, "2001:db8::1"),
        ("$ mtr -rn example.org | tee mtr.txt", Protocol.ICMP, "example.org"),
    ],
)
def test_the_command_before_it_tells_the_destination(line: str, protocol: Protocol, destination: str) -> None:
    report = one(line + "\n" + PLAIN)
    assert (report.destination, report.protocol, report.protocol_told) == (destination, protocol, True)


def test_several_reports_in_one_file() -> None:
    reading = read("x", (PLAIN + "\n" + HEADER + ROWS + PLAIN + ROWS).encode())
    assert [report.hops for report in reading.reports[:3]] == [HOPS] * 3
    rows_alone = read("x", (ROWS + ROWS).encode())
    assert [len(report.hops) for report in rows_alone.reports] == [3, 3]


def test_rows_without_numbers_under_an_old_header() -> None:
    report = one(
        "devser25          Snt: 3     Loss%  Last   Avg  Best  Wrst StDev\n"
        "167.1.21.1                    0.0%   0.3   0.3   0.3   0.3   0.0\n"
        "10.18.241.29                  2.0%   0.6   0.6   0.6   0.6   0.0\n"
    )
    assert [(hop.number, hop.router, hop.loss, hop.sent) for hop in report.hops] == [
        (1, "167.1.21.1", 0.0, 3),
        (2, "10.18.241.29", 2.0, 3),
    ]


def test_a_header_without_rows_means_that_nobody_answered() -> None:
    assert one(HEADER).hops == ()
    assert judge(one(HEADER)).verdict.value == "no_route"


OLD_JSON = """{
  "report": {
    "mtr": {
      "src": "vm",
      "dst": "192.0.2.5",
      "tos": "0x0",
      "psize": "64",
      "bitpattern": "0x00",
      "tests": "10"
    },
    "hubs": [{
      "count": "1",
      "host": "198.51.100.2",
      "Loss%": 0.00,
      "Snt": 10,
      "Last": 0.10,
      "Avg": "0.20",
      "Best": 0.10,
      "Wrst": 0.30,
      "StDev": 0.10
    },
    {
      "count": "2",
      "host": "???",
      "Loss%": 100.00,
      "Snt": 10,
      "Last": 0.00, "Avg": 0.00, "Best": 0.00, "Wrst": 0.00, "StDev": 0.00
    }]
  }
}
"""


@pytest.mark.parametrize("text", [OLD_JSON, OLD_JSON.replace("}]", "},]"), OLD_JSON.replace('"vm"', '"a\\"b" "c"')])
def test_old_and_ill_formed_json(text: str) -> None:
    report = one(text)
    assert (report.form, report.destination, report.hops) == (Form.JSON, "192.0.2.5", HOPS[:2])


def test_several_json_documents() -> None:
    assert len(read("x", (OLD_JSON + OLD_JSON.replace("\n", "") + "\n" + OLD_JSON).encode()).reports) == 3


CSV = "MTR.0.95,1795358901,OK,203.0.113.10,"


@pytest.mark.parametrize(
    "text",
    [
        "Mtr_Version,Start_Time,Status,Host,Hop,Ip,Loss%,Snt, ,Last,Avg,Best,Wrst,StDev,\n"
        f"{CSV}1,198.51.100.2,0.00,10,0,0.10,0.20,0.10,0.30,0.10\n{CSV}2,???,100.00,10,10,0.00,0.00,0.00,0.00,0.00\n",
        f"{CSV}1,198.51.100.2,0.00,10,0,0.10,0.20,0.10,0.30,0.10\n{CSV}2,???,100.00,10,10,0.00,0.00,0.00,0.00,0.00\n",
        "MTR.0.85;1400000000;OK;203.0.113.10;1;198.51.100.2;0.00;10;0.10;0.20;0.10;0.30;0.10\n"
        "MTR.0.85;1400000000;OK;203.0.113.10;2;???;100.00;10;0.00;0.00;0.00;0.00;0.00\n",
    ],
)
def test_csv_of_all_versions(text: str) -> None:
    report = one(text)
    assert (report.form, report.destination, report.hops) == (Form.CSV, "203.0.113.10", HOPS[:2])


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0"?>\n<MTR SRC="vm" DST="203.0.113.10" TESTS="10">\n<HUB COUNT="1" HOST="198.51.100.2">'
        "<Loss>  0.0%</Loss><Snt>    10</Snt><Last>   0.1</Last><Avg>   0.2</Avg><Best>   0.1</Best><Wrst>   0.3</Wrst>"
        '<StDev>   0.1</StDev></HUB>\n<HUB COUNT="2" HOST="???"><Loss>100.0%</Loss><Snt>10</Snt></HUB></MTR>',
        "<MTR SRC=vm DST=203.0.113.10 TOS=0x0 PSIZE=64>\n<HUB COUNT=1 HOST=198.51.100.2>\n<Loss%> 0.0%</Loss%>"
        "<Snt>10</Snt><Last>0.1</Last><Avg>0.2</Avg><Best>0.1</Best><Wrst>0.3</Wrst><StDev>0.1</StDev>\n</HUB>\n"
        "<HUB COUNT=2 HOST=???>\n<Loss%>100.0%</Loss%>\n<Snt>10</Snt></HUB>",
    ],
)
def test_xml_of_all_versions(text: str) -> None:
    report = one(text)
    assert (report.form, report.source, report.destination) == (Form.XML, "vm", "203.0.113.10")
    assert report.hops == HOPS[:2]


def test_an_entity_bomb_is_no_more_than_text() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><MTR SRC="&b;" DST="x"></MTR>'
    assert one(bomb).source == "&b;"


def test_raw_events() -> None:
    text = "".join(
        f"x 0 {i}\nh 0 198.51.100.2\np 0 {100 * i} {i}\nx 1 {i}\nx 2 {i}\n"
        + (f"h 2 203.0.113.10\nd 2 web.example\np 2 2000 {i}\n" if i % 2 else "")
        for i in range(1, 5)
    )
    report = one(text)
    assert [(hop.router, hop.loss, hop.sent) for hop in report.hops] == [
        ("198.51.100.2", 0.0, 4),
        ("???", 100.0, 4),
        ("web.example (203.0.113.10)", 50.0, 4),
    ]
    assert (report.hops[0].best, report.hops[0].average, report.hops[2].last) == (0.1, 0.25, 2.0)


WINMTR = """\
|------------------------------------------------------------------------------------------|
|                                      WinMTR statistics                                   |
|                       Host              -   %  | Sent | Recv | Best | Avrg | Wrst | Last |
|------------------------------------------------|------|------|------|------|------|------|
|                            192.168.1.1 -    0 |   50 |   50 |    1 |    2 |    9 |    1 |
|                   No response from host -  100 |   10 |    0 |    0 |    0 |    0 |    0 |
|                         li-2.example.net -    4 |   50 |   48 |   20 |   21 |   29 |   22 |
|________________________________________________|______|______|______|______|______|______|
   WinMTR v0.92 GPL V2 by Appnor MSP - Fully Managed Hosting & Cloud Provider
"""


@pytest.mark.parametrize("text", [WINMTR, "\n".join(" ".join(line.split()) for line in WINMTR.splitlines())])
def test_winmtr(text: str) -> None:
    report = one(text)
    assert report.form is Form.WINMTR
    assert [(hop.router, hop.loss, hop.sent, hop.average) for hop in report.hops] == [
        ("192.168.1.1", 0.0, 50, 2.0),
        ("???", 100.0, 10, None),
        ("li-2.example.net", 4.0, 50, 21.0),
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("mtr: udp socket connect failed: Network is unreachable", "udp socket connect failed: Network is unreachable"),
        (
            "mtr-packet: Failure to open IPv4 sockets: Permission denied",
            "Failure to open IPv4 sockets: Permission denied",
        ),
    ],
)
def test_mtrs_own_errors(line: str, error: str) -> None:
    report = one(f"$ mtr -r example.org\n{line}\n")
    assert (report.error, report.hops, report.destination) == (error, (), "example.org")


def test_a_broken_row_is_named_and_the_others_are_kept() -> None:
    reading = read("x", (HEADER + ROWS + "  4.|-- 203.0.113.11  20.0%    10  abc 1724. 237.6 3061. 939.4\n").encode())
    assert reading.reports[0].hops == HOPS
    assert [(item.line, "203.0.113.11" in item.text) for item in reading.unread] == [(5, True)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        (" \n\n", "it is empty"),
        ("hello\nworld\n", "line 1: no MTR report in it"),
        ("\n\n\x00\x01\x02", "line 3: no MTR report"),
        (
            "traceroute to 192.0.2.1 (192.0.2.1), 30 hops max, 60 byte packets\n 1  a (192.0.2.2)  0.1 ms\n",
            "a traceroute",
        ),
        ("PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.\n64 bytes from 192.0.2.1: icmp_seq=1\n", "a ping"),
        ("1. we had a loss of 20%\n2. then it went away\n", "no MTR report"),
        ("The Loss% and Avg columns of mtr matter.\n", "no MTR report"),
    ],
)
def test_what_is_no_report_is_said_with_a_hint(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read("mail.txt", text.encode())
    assert said in raised.value.message
    assert raised.value.message.startswith("mail.txt: ")
    assert "mtr -rwbzc 100" in raised.value.hint


def test_a_hop_behind_a_farther_one_is_left_out_and_named() -> None:
    rows = "".join(f"  {number}.|-- 192.0.2.{number}  0.0%  5  1.0  1.0  1.0  1.0  0.0\n" for number in (1, 2, 5, 5, 3))
    reading = read("x", f"HOST: a  Loss%   Snt   Last   Avg  Best  Wrst StDev\n{rows}".encode())
    assert [hop.number for hop in reading.reports[0].hops] == [1, 2, 5]
    assert [item.why for item in reading.unread] == ["it stands behind hop 5"] * 2
    judge(reading.reports[0])


def test_a_digit_that_is_no_number_is_none() -> None:
    reading = read("x", "x 0 1\nh 0 192.0.2.1\np 0 7¹ 1\np 0 70 1\n".encode())
    assert reading.reports[0].hops[0].average == 0.07
