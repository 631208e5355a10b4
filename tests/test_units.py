from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim import units
from dcsim.errors import UnitError
from dcsim.units import (
    format_count,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)

PARSERS = [parse_size, parse_rate, parse_duration]
POSITIVE = st.floats(min_value=1e-9, max_value=1e18)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("4096B", 4096),
        ("1kB", 1e3),
        ("1.5MB", 1.5e6),
        ("8GB", 8e9),
        ("2TB", 2e12),
        ("1KiB", 1024),
        ("1.5 MiB", 1.5 * 2**20),
        ("8GiB", 2**33),
        ("1TiB", 2**40),
        ("1e3MiB", 1000 * 2**20),
        ("+.5KiB", 512),
        ("5.E-1KiB", 512),
    ],
)
def test_sizes(text, size):
    """Powers of ten and of two are told apart; a number is written as in YAML 1.2."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("8bit/s", 1),
        ("8kbit/s", 1e3),
        ("100Mbit/s", 12.5e6),
        ("10Gbit/s", 1.25e9),
        ("1.6 Tbit/s", 2e11),
        ("1B/s", 1),
        ("1kB/s", 1e3),
        ("1MB/s", 1e6),
        ("1GB/s", 1e9),
        ("1KiB/s", 1024),
        ("32MiB/s", 32 * 2**20),
        ("1GiB/s", 2**30),
    ],
)
def test_rates(text, rate):
    """Bits become bytes here and nowhere else."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("35us", 35e-6),
        ("100ns", 1e-7),
        ("300ms", 0.3),
        ("0.1s", 0.1),
        ("2.5 min", 150),
        ("1h", 3600),
        ("1d", 86400),
    ],
)
def test_durations(text, seconds):
    """The result is the float nearest to what was written, without rounding on the way."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("parse", "text", "why", "hint"),
    [
        (parse_rate, "10Gb/s", "'Gb/s' can mean two things", "write '10Gbit/s' or '10GB/s'"),
        (parse_rate, "10Gbps", "'Gbps' can mean two things", "write '10Gbit/s' or '10GB/s'"),
        (parse_rate, "10G", "'G' can mean two things", "write '10Gbit/s' or '10GB/s'"),
        (parse_rate, "5b/s", "'b/s' can mean two things", "write '5bit/s' or '5B/s'"),
        (parse_rate, "10gbit/s", "unknown unit 'gbit/s'", "did you mean '10Gbit/s'?"),
        (parse_rate, "10Gbit", "unknown unit 'Gbit'", "did you mean '10Gbit/s'?"),
        (parse_rate, "10GiB", "'GiB' is a unit of size", "write it like '10Gbit/s'"),
        (parse_size, "8G", "'G' can mean two things", "write '8GB' or '8GiB'"),
        (parse_size, "8Gb", "'Gb' can mean two things", "write '8GB' or '8GiB'"),
        (parse_size, "4KB", "'KB' can mean two things", "write '4kB' or '4KiB'"),
        (parse_size, "8gib", "unknown unit 'gib'", "did you mean '8GiB'?"),
        (parse_size, "8furlong", "unknown unit 'furlong'", "write it like '8GiB'"),
        (parse_size, "1e9999B", "unknown unit 'e9999B'", "write it like '8GiB'"),
        (parse_size, "1s", "'s' is a unit of duration", "write it like '8GiB'"),
        (parse_duration, "3m", "'m' can mean two things", "write '3min' or '3ms'"),
        (parse_duration, "3 minutes", "unknown unit 'minutes'", "did you mean '3min'?"),
        (parse_duration, "3\N{MICRO SIGN}s", "unknown unit", "did you mean '3us'?"),
        (parse_duration, "3MS", "unknown unit 'MS'", "did you mean '3ms'?"),
        (parse_duration, "-1s", "it is negative", "write it like '250ms'"),
        (parse_duration, "12:30:00", "unknown unit ':30:00'", "write it like '250ms'"),
    ],
)
def test_refusals_tell_why_and_what_to_write(parse, text, why, hint):
    """A message holds what was read, why it is refused, every legal unit and a proposal."""
    with pytest.raises(UnitError) as caught:
        parse(text)
    message = str(caught.value)
    kind = {parse_size: "size", parse_rate: "data rate", parse_duration: "duration"}[parse]
    legal = {
        parse_size: units.SIZE_UNITS,
        parse_rate: units.RATE_UNITS,
        parse_duration: units.DURATION_UNITS,
    }[parse]
    assert message.startswith(f"cannot read {text!r} as a {kind}: {why}")
    assert f"; legal units are {', '.join(legal)}; " in message
    assert message.endswith(hint)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("8", "its unit is missing"),
        ("8 ", "its unit is missing"),
        ("nan", "no finite number"),
        ("inf", "no finite number"),
        (".inf", "no finite number"),
        ("s", "no finite number"),
        (" 8s", "no finite number"),
        ("8  s", "no finite number"),
        ("8s\n", "no finite number"),
        ("1,5s", "no finite number"),
        ("1_000B", "no finite number"),
        ("0x10B", "unknown unit 'x10B'"),
        ("\N{ARABIC-INDIC DIGIT THREE}s", "no finite number"),
        ("9" * 10**6, "goes on for 1,000,000 characters"),
        (8, "a text of a number and its unit is wanted"),
        (True, "a text of a number and its unit is wanted"),
        (None, "a text of a number and its unit is wanted"),
        ([8] * 10**5, "a text of a number and its unit is wanted"),
    ],
)
def test_what_is_no_quantity_is_refused_shortly(parse, text, why):
    """Whatever a file may hold gives a message of bounded length."""
    with pytest.raises(UnitError, match=why) as caught:
        parse(text)
    assert len(str(caught.value)) < 350


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse_size, "9e999GiB"), (parse_rate, "9e999B/s"), (parse_duration, "9e999d")],
)
def test_infinite_results_are_refused(parse, text):
    """A number too large for a float does not become infinity."""
    with pytest.raises(UnitError, match="it is too large"):
        parse(text)


def test_every_unit_is_read_by_one_parser_only():
    """No spelling belongs to two kinds of quantity."""
    texts = [
        f"1{u}" for kind in (units.SIZE_UNITS, units.RATE_UNITS, units.DURATION_UNITS) for u in kind
    ]
    assert len(texts) == len(set(texts))
    for text in texts:
        accepted = []
        for parse in PARSERS:
            try:
                accepted.append(parse(text))
            except UnitError:
                continue
        assert len(accepted) == 1
        assert accepted[0] > 0


@given(st.integers(0, 2**53))
def test_whole_bytes_are_exact(size):
    """A whole number of bytes comes back exactly, however it is written."""
    assert parse_size(f"{size}B") == size
    assert parse_size(format_size(size, digits=17)) == size


@pytest.mark.parametrize(
    ("parse", "show"),
    [(parse_size, format_size), (parse_rate, format_rate), (parse_duration, format_duration)],
)
@given(value=POSITIVE)
def test_what_is_shown_can_be_read(parse, show, value):
    """Reading what was shown gives the value back, to the figures shown."""
    assert parse(show(value)) == pytest.approx(value, rel=6e-4)
    assert parse(show(value, digits=17)) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.text("0123456789.eE+-_, kKMGTiBbts/numhd\n\0\N{MICRO SIGN}", max_size=80))
def test_any_text_is_read_or_refused(parse, text):
    """No text raises anything but a UnitError; what is read is finite and not negative."""
    try:
        value = parse(text)
    except UnitError:
        return
    assert 0 <= value < math.inf


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (format_size(0), "0 B"),
        (format_size(units.PAGE), "4 KiB"),
        (format_size(1023), "1023 B"),
        (format_size(1023.99 * units.KiB), "1 MiB"),
        (format_size(1.5 * units.GiB), "1.5 GiB"),
        (format_size(-5 * units.MiB), "-5 MiB"),
        (format_size(math.nan), "nan B"),
        (format_size(1234567, digits=2), "1.2 MiB"),
        (format_rate(1.25e9), "10 Gbit/s"),
        (format_rate(0.125), "1 bit/s"),
        (format_rate(math.inf), "inf bit/s"),
        (format_duration(0), "0 s"),
        (format_duration(35e-6), "35 us"),
        (format_duration(3e-10), "0.3 ns"),
        (format_duration(0.3), "300 ms"),
        (format_duration(132.766), "132.8 s"),
        (format_duration(600), "10 min"),
        (format_duration(7200), "2 h"),
        (format_duration(172800), "2 d"),
        (format_duration(-90), "-90 s"),
        (format_count(1048576), "1,048,576"),
        (format_count(-1234.0), "-1,234"),
        (format_count(2.5), "2.5"),
        (format_count(2**64), "18,446,744,073,709,551,616"),
        (format_count(math.inf), "inf"),
    ],
)
def test_how_values_are_shown(shown, text):
    """Values are shown in the unit that suits them, to four figures unless asked."""
    assert shown == text
