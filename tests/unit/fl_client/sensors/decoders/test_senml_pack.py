"""SenML: the examples of RFC 8428, and what the RFC says of fields, names, times and versions."""

import json

import cbor2
import pytest

from fl_client.sensors.decoders.senml_pack import (
    InvalidSenml,
    SenmlRecord,
    records_of_cbor,
    records_of_json,
)

NOW = 1.7e9
DEVICE = "urn:dev:ow:10e2073a01080063"
CBOR_LABELS = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6} | {
    label: number for number, label in enumerate(["n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"])
}
Fields = dict[str, object]


def of_json(*pack: object) -> list[SenmlRecord]:
    return records_of_json(json.dumps(pack).encode(), NOW)


def of_cbor(*pack: Fields) -> list[SenmlRecord]:
    labelled = [{CBOR_LABELS.get(k, k): v for k, v in record.items()} for record in pack]
    return records_of_cbor(cbor2.dumps(labelled), NOW)


def reason(*pack: object) -> str:
    with pytest.raises(InvalidSenml) as caught:
        of_json(*pack)
    return caught.value.reason


def test_single_data_point() -> None:  # section 5.1.1
    found = of_json({"n": DEVICE, "u": "Cel", "v": 23.1})
    assert found == [SenmlRecord(DEVICE, NOW, True, "Cel", 23.1)]


def test_multiple_data_points() -> None:  # section 5.1.2, first example
    found = of_json(
        {"bn": DEVICE + ":", "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "u": "A", "v": 1.2},
    )
    assert [(r.name, r.unit, r.value) for r in found] == [
        (DEVICE + ":voltage", "V", 120.1),
        (DEVICE + ":current", "A", 1.2),
    ]


CURRENTS: tuple[Fields, ...] = (
    {
        "bn": "urn:dev:ow:10e2073a0108006:",
        "bt": 1.276020076001e09,
        "bu": "A",
        "bver": 5,
        "n": "voltage",
        "u": "V",
        "v": 120.1,
    },
    {"n": "current", "t": -5, "v": 1.2},
    {"n": "current", "t": -4, "v": 1.3},
    {"n": "current", "t": -3, "v": 1.4},
    {"n": "current", "t": -2, "v": 1.5},
    {"n": "current", "t": -1, "v": 1.6},
    {"n": "current", "v": 1.7},
)  # section 5.1.2, second example

CURRENTS_IN_CBOR = (
    "87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a22fb41d303a15b00106223614120"
    "050067766f6c7461676501615602fb405e066666666666a3006763757272656e74062402fb3ff3333333333333a3"
    "006763757272656e74062302fb3ff4cccccccccccda3006763757272656e74062202fb3ff6666666666666a30067"
    "63757272656e74062102f93e00a3006763757272656e74062002fb3ff999999999999aa3006763757272656e7406"
    "0002fb3ffb333333333333"
)  # section 6, figure 3


def check_currents(found: list[SenmlRecord]) -> None:
    name = "urn:dev:ow:10e2073a0108006:"
    assert found[0] == SenmlRecord(name + "voltage", 1276020076.001, False, "V", 120.1)
    assert [r.name for r in found[1:]] == [name + "current"] * 6
    assert [r.time for r in found[1:]] == [1276020076.001 + t for t in (-5, -4, -3, -2, -1, 0)]
    assert [r.value for r in found[1:]] == [1.2, 1.3, 1.4, 1.5, 1.6, 1.7]
    assert {r.unit for r in found[1:]} == {"A"}


def test_base_fields_and_times_before_the_base() -> None:
    check_currents(of_json(*CURRENTS))


def test_the_same_pack_in_cbor() -> None:
    check_currents(records_of_cbor(bytes.fromhex(CURRENTS_IN_CBOR), NOW))
    check_currents(of_cbor(*CURRENTS))


def test_a_second_base_replaces_the_first() -> None:  # section 5.1.2, third example, shortened
    found = of_json(
        {"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1276020076, "n": "a", "v": 20.0},
        {"bt": 1276020091, "n": "a", "v": 20.1},
    )
    assert [(r.time, r.value) for r in found] == [(1276020076, 20.0), (1276020091, 20.1)]


def test_one_device_that_moves() -> None:  # section 5.1.3, resolved as in 5.1.4
    found = of_json(
        {"bn": DEVICE, "bt": 1.320067464e09, "bu": "%RH", "v": 20},
        {"u": "lon", "v": 24.30621},
        {"u": "lat", "v": 60.07965},
        {"t": 60, "v": 20.3},
        {"u": "lon", "t": 60, "v": 24.30622},
        {"u": "lat", "t": 60, "v": 60.07965},
        {"t": 120, "v": 20.7},
        {"u": "lon", "t": 120, "v": 24.30623},
        {"u": "lat", "t": 120, "v": 60.07966},
        {"u": "%EL", "t": 150, "v": 98},
        {"t": 180, "v": 21.2},
        {"u": "lon", "t": 180, "v": 24.30628},
        {"u": "lat", "t": 180, "v": 60.07967},
    )
    assert {r.name for r in found} == {DEVICE}
    start = 1320067464
    assert [(r.time - start, r.unit, r.value) for r in found] == [
        (0, "%RH", 20), (0, "lon", 24.30621), (0, "lat", 60.07965),
        (60, "%RH", 20.3), (60, "lon", 24.30622), (60, "lat", 60.07965),
        (120, "%RH", 20.7), (120, "lon", 24.30623), (120, "lat", 60.07966),
        (150, "%EL", 98),
        (180, "%RH", 21.2), (180, "lon", 24.30628), (180, "lat", 60.07967),
    ]  # fmt: skip


def test_multiple_data_types() -> None:  # section 5.1.5
    pack: tuple[Fields, ...] = (
        {"bn": DEVICE + ":", "n": "temp", "u": "Cel", "v": 23.1},
        {"n": "label", "vs": "Machine Room"},
        {"n": "open", "vb": False},
    )
    wanted = [23.1, "Machine Room", False]
    in_json = of_json(*pack, {"n": "nfc-reader", "vd": "aGkgCg"})
    in_cbor = of_cbor(*pack, {"n": "nfc-reader", "vd": b"hi \n"})
    assert [r.value for r in in_json] == [*wanted, b"hi \n"] == [r.value for r in in_cbor]


def test_collection_of_resources() -> None:  # section 5.1.6
    found = of_json(
        {"bn": "2001:db8::2/", "bt": 1.320078429e09, "n": "temperature", "u": "Cel", "v": 25.2},
        {"n": "humidity", "u": "%RH", "v": 30},
        {"bn": "2001:db8::1/", "n": "temperature", "u": "Cel", "v": 12.3},
        {"n": "humidity", "u": "%RH", "v": 67},
    )
    assert [r.name for r in found] == [
        "2001:db8::2/temperature",
        "2001:db8::2/humidity",
        "2001:db8::1/temperature",
        "2001:db8::1/humidity",
    ]
    assert {r.time for r in found} == {1320078429}


def test_setting_an_actuator() -> None:  # section 5.1.7
    found = of_json(
        {"bt": 1.320078429e09, "bu": "/", "n": "2001:db8::3", "v": 0.5},
        {"n": "2001:db8::4", "v": 0.5},
        {"n": "2001:db8::3", "t": 0.1, "v": 0},
        {"n": "2001:db8::4", "t": 0.1, "v": 0},
    )
    assert [(r.name[-1], r.time, r.unit, r.value) for r in found] == [
        ("3", 1320078429, "/", 0.5),
        ("4", 1320078429, "/", 0.5),
        ("3", 1320078429.1, "/", 0),
        ("4", 1320078429.1, "/", 0),
    ]


def test_sums_and_base_values() -> None:  # section 4.1 and 4.2
    found = of_json(
        {"bn": "m:", "bv": 100, "bs": 10, "n": "a", "v": 1, "s": 2},
        {"n": "b"},
        {"n": "c", "vs": "text"},
    )
    assert [(r.value, r.sum) for r in found] == [(101, 12), (100, 10), ("text", 10)]
    (only_sum,) = of_json({"n": "energy", "u": "kWh", "s": 7, "ut": 60})
    assert (only_sum.value, only_sum.sum, only_sum.update_seconds) == (None, 7, 60)


def test_time_is_relative_below_2_to_the_28() -> None:  # section 4.5.3
    times = [of_json({"n": "a", "v": 1, "t": t})[0] for t in (0, -10, 5, 2**28 - 1, 2**28)]
    assert [(r.time - NOW, r.relative) for r in times[:4]] == [
        (0, True),
        (-10, True),
        (5, True),
        (2**28 - 1, True),
    ]
    assert (times[4].time, times[4].relative) == (2**28, False)
    (sum_of_both,) = of_json({"n": "a", "v": 1, "bt": 2**27, "t": 2**27})
    assert not sum_of_both.relative


def test_an_unknown_field_is_ignored_unless_it_must_be_understood() -> None:  # section 4.4
    assert len(of_json({"n": "a", "v": 1, "x": 2})) == 1
    assert reason({"n": "a", "v": 1, "x_": 2}) == "field"
    with pytest.raises(InvalidSenml, match="must be understood"):
        of_cbor({"n": "a", "v": 1, "x_": 2})
    assert len(records_of_cbor(cbor2.dumps([{0: "a", 2: 1, 99: 5}]), NOW)) == 1


@pytest.mark.parametrize(
    ("pack", "why"),
    [
        ([], "structure"),
        ([5], "structure"),
        ([{}], "structure"),
        ([{"v": 1}], "name"),
        ([{"n": "-a", "v": 1}], "name"),
        ([{"n": "a b", "v": 1}], "name"),
        ([{"n": "ä", "v": 1}], "name"),
        ([{"n": "a"}], "value"),
        ([{"n": "a", "v": 1, "vb": True}], "value"),
        ([{"n": "a", "v": "1"}], "type"),
        ([{"n": "a", "v": True}], "type"),
        ([{"n": "a", "vb": 1}], "type"),
        ([{"n": "a", "vs": 1}], "type"),
        ([{"n": 1, "v": 1}], "type"),
        ([{"n": "a", "vd": "a==="}], "type"),
        ([{"n": "a", "vd": "a"}], "type"),
        ([{"n": "a", "v": None}], "type"),
        ([{"n": "a", "v": 10**400}], "number"),
        ([{"n": "a", "bv": 1e308, "v": 1e308}], "number"),
        ([{"n": "a", "v": 1, "bver": 11}], "version"),
        ([{"n": "a", "v": 1, "bver": 0}], "version"),
        ([{"n": "a", "v": 1, "bver": 5.0}], "version"),
        ([{"n": "a", "v": 1, "bver": 5}, {"n": "a", "v": 1, "bver": 6}], "version"),
        ([{"n": "a", "v": 1}, {"n": "a", "v": 1, "bver": 5}], "version"),
    ],
    ids=str,
)
def test_what_is_no_pack_is_refused_with_its_reason(pack: list[object], why: str) -> None:
    assert reason(*pack) == why


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "json"),
        (b'[{"n":"a","v":1}', "json"),
        (b'[{"n":"a","v":1}] x', "json"),
        (b'[{"n":"a","v":NaN}]', "number"),
        (b'[{"n":"a","v":-Infinity}]', "number"),
        (b'[{"n":"a","v":1e999}]', "number"),
        (b'[{"n":"a","v":' + b"1" * 5000 + b"}]", "json"),
        (b"\xff\xfe", "text"),
        (b"[" * 200_000, "nesting"),
        (b'{"n":"a","v":1}', "structure"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_broken_json_is_refused(payload: bytes, why: str) -> None:
    with pytest.raises(InvalidSenml) as caught:
        records_of_json(payload, NOW)
    assert caught.value.reason == why


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x81", b"\x81" * 100_000, b"\x9b" + b"\xff" * 8, b"\x5b\x7f" + b"\xff" * 7,
     cbor2.dumps([{0: "a", 2: 1}]) + b"\x00", cbor2.dumps([{0: "a", 2: 1}])[:-1],
     b"\xc5\x82\x1a\x7f\xff\xff\xff\x01", b"\x81\xa1\x80\x00", b"\x61\xff"],
    ids=lambda value: value[:10].hex(),
)  # fmt: skip
def test_broken_cbor_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidSenml):
        records_of_cbor(payload, NOW)


def test_cbor_may_have_decimal_fractions_and_short_floats() -> None:  # section 6
    payload = bytes.fromhex("81a2006161") + b"\x02\xc4\x82\x20\x18\x65"
    assert records_of_cbor(payload, NOW)[0].value == 10.1
    with pytest.raises(InvalidSenml, match="not finite"):
        records_of_cbor(bytes.fromhex("81a2006161") + b"\x02\xf9\x7e\x00", NOW)
