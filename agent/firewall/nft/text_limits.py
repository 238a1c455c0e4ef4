"""Statements that count, in rules, in sets and as objects: counter, limit, quota, ct count, last (nft(8))."""

from __future__ import annotations

from agent.firewall.nft.text_stream import Stream
from agent.firewall.nft.text_tokens import Kind, milliseconds

_UNITS = ("second", "minute", "hour", "day", "week")
_BYTES = {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20, "gbytes": 1 << 30}
_BURST = 5  # packets, where nothing is said


def counted(stream: Stream) -> dict[str, object]:
    """``packets 1 bytes 2``, behind ``counter``."""
    found: dict[str, object] = {}
    while stream.is_word("packets", "bytes") and stream.next.kind is Kind.NUMBER:
        name = stream.advance().text
        found[name] = stream.number()
    return found


def element_statements(stream: Stream) -> list[dict[str, object]]:
    """The stateful statements that stand here, as in a set's declaration or its element."""
    found: list[dict[str, object]] = []
    while stream.token.kind is Kind.WORD:
        if stream.word("counter"):
            found.append({"counter": counted(stream) or None})
        elif stream.word("limit"):
            found.append({"limit": rate(stream)})
        elif stream.word("quota"):
            found.append({"quota": quota(stream)})
        elif stream.word("last"):
            found.append({"last": last(stream)})
        elif stream.is_word("ct") and stream.next.text == "count":
            stream.advance()
            found.append({"ct count": connections(stream)})
        else:
            break
    return found


def connections(stream: Stream) -> dict[str, object]:
    """``count over 10``, behind ``ct``."""
    stream.need_word("count")
    over = stream.word("over")
    found: dict[str, object] = {"val": stream.number()}
    if over:
        found["inv"] = True
    return found


def last(stream: Stream) -> object:
    """``last used 5s``: when the rule last held, in milliseconds."""
    if not stream.word("used"):
        return None
    if stream.word("never"):
        return None
    token = stream.advance()
    if token.kind not in (Kind.TIME, Kind.NUMBER):
        raise stream.unexpected("a time")
    return {"used": milliseconds(token.text)}


def _over(stream: Stream) -> bool:
    return stream.word("over", "until") == "over"


def _unit(stream: Stream) -> tuple[str, str]:
    """``/second``, or ``mbytes/second``, which is one word: the unit of data, and of time."""
    data = ""
    if not stream.is_sign("/"):
        word = stream.need_any_word("a unit")
        data, slash, per = word.partition("/")
        if data not in _BYTES:
            raise stream.unexpected("a unit of data")
        if slash and per:
            if per not in _UNITS:
                raise stream.unexpected("a unit of time")
            return data, per
        if slash:
            return data, stream.need_word(*_UNITS)
    stream.need_sign("/")
    return data, stream.need_word(*_UNITS)


def rate(stream: Stream, declared: bool = False) -> dict[str, object]:
    """``rate over 10/minute burst 5 packets``, behind ``limit``; as an object (``declared``) JSON has more words."""
    stream.need_word("rate")
    inverted = _over(stream)
    number = stream.number()
    data, per = _unit(stream)
    burst, burst_unit = (0 if data else _BURST), "bytes" if data else ""
    if stream.word("burst"):
        burst = stream.number()
        unit = stream.need_word("packets", *_BYTES)
        burst_unit = unit if data else ""
    if declared:
        found: dict[str, object] = {"rate": number * _BYTES.get(data, 1), "per": per}
        if data:
            found = {"rate": number, "per": per, "rate_unit": data}
        if burst or not data:
            found["burst"] = burst
        if burst and data:
            found["burst_unit"] = burst_unit
    else:
        found = {"rate": number, "burst": burst, "per": per}
        if data:
            found.update(rate_unit=data, burst_unit=burst_unit)
    if inverted:
        found["inv"] = True
    return found


def quota(stream: Stream, declared: bool = False) -> dict[str, object]:
    """``over 10 mbytes used 2 kbytes``, behind ``quota``; an object's is in bytes."""
    inverted = _over(stream)
    amount, unit = stream.number(), stream.need_word(*_BYTES)
    used, used_unit = 0, "bytes"
    if stream.word("used"):
        used, used_unit = stream.number(), stream.need_word(*_BYTES)
    if declared:
        found: dict[str, object] = {"bytes": amount * _BYTES[unit], "used": used * _BYTES[used_unit], "inv": inverted}
        return found
    found = {"val": amount, "val_unit": unit}
    if used:
        found.update(used=used, used_unit=used_unit)
    if inverted:
        found["inv"] = True
    return found
