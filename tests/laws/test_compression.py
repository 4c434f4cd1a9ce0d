"""Laws of compressed updates: bounds, no bias, nothing lost, and no harm from hostile bytes."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, RecordDict
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fl_common.compression.huffman import compress, decompress
from fl_common.compression.quantisation import NEAREST, Compression, PackedDelta, layout_of, pack
from fl_common.vocabulary import Floats, LocalUpdate, Parameters
from fl_common.wire import messages as wire
from fl_common.wire import summary as wire_log

LARGEST = float(np.finfo(np.float32).max)
entries = st.floats(-LARGEST, LARGEST, width=32)
shapes = st.sampled_from([(), (1,), (7,), (3, 5), (2, 3, 4), (40,)])
deltas = st.dictionaries(
    st.sampled_from("abc"), shapes.flatmap(lambda s: arrays(np.float32, s, elements=entries)),
    min_size=1,
)  # fmt: skip
shares = st.floats(0.01, 0.99)
LIKE: Parameters = {"w": np.zeros((3, 5), np.float32), "b": np.zeros(4, np.float32)}


class Constant:
    """The same offset each time: what one draw of stochastic rounding could be."""

    def __init__(self, offset: float) -> None:
        self.offset = offset

    def random(self, size: int) -> NDArray[np.float64]:
        return np.full(size, self.offset)


def scales(delta: Parameters, packed: PackedDelta) -> dict[str, float]:
    return dict(zip(delta, packed.scales_A.tolist(), strict=True))


def flat(delta: Parameters) -> NDArray[np.float64]:
    return np.concatenate([array.reshape(-1).astype(np.float64) for array in delta.values()])


@settings(deadline=None)
@given(delta=deltas, seed=st.integers(0, 2**32))
def test_int8_is_within_one_scale_and_keeps_the_largest_magnitude(
    delta: Parameters, seed: int
) -> None:
    packed = pack(delta, Compression(1.0), np.random.default_rng(seed))
    assert layout_of(packed) == layout_of(delta)
    for name, scale in scales(delta, packed).items():
        exact, decoded = delta[name].astype(np.float64), packed[name].astype(np.float64)
        assert np.isfinite(decoded).all()
        assert np.abs(decoded - exact).max(initial=0) <= scale * (1 + 1e-5)
        assert scale * 127 >= np.abs(exact).max(initial=0)


@settings(max_examples=30, deadline=None)
@given(values=arrays(np.float32, 20, elements=st.floats(-1e6, 1e6, width=32)))
def test_stochastic_rounding_has_no_bias(values: Floats) -> None:
    """The mean over evenly spread offsets is the mean over the uniform distribution."""
    draws = 128
    decoded = [
        pack({"a": values}, Compression(1.0), Constant((i + 0.5) / draws)) for i in range(draws)
    ]
    mean = np.mean([delta["a"].astype(np.float64) for delta in decoded], axis=0)
    step = float(decoded[0].scales_A[0]) / draws
    assert np.abs(mean - values).max() <= step + 1e-5 * np.abs(values).max()


def test_a_generator_rounds_up_as_often_as_it_should() -> None:
    values = np.full(20_000, 0.3, np.float32)
    values[0] = 127.0  # the scale is 1
    packed = pack({"a": values}, Compression(1.0), np.random.default_rng(1))
    assert packed["a"][1:].mean() == pytest.approx(0.3, abs=0.02)
    assert set(packed["a"][1:].tolist()) == {0.0, 1.0}


@settings(deadline=None)
@given(delta=deltas, share=shares)
def test_top_k_sends_the_largest_entries_within_half_a_scale(
    delta: Parameters, share: float
) -> None:
    compression = Compression(share)
    packed = pack(delta, compression, NEAREST)
    exact, decoded = flat(delta), flat(packed)
    assert packed.mask is not None
    sent = np.unpackbits(packed.mask, count=exact.size, bitorder="little").astype(bool)
    assert sent.sum() == math.ceil(share * exact.size) == len(packed.codes_K)
    assert np.abs(exact[sent]).min() >= np.abs(exact[~sent]).max(initial=0)
    assert (decoded[~sent] == 0).all()
    bound = float(packed.scales_A.max()) * (0.5 + 1e-5)
    assert np.abs(decoded - exact)[sent].max() <= bound
    assert packed.fits(compression)
    assert not packed.fits(Compression(1.0))


@settings(deadline=None)
@given(delta=deltas, share=shares | st.just(1.0))
def test_what_was_written_is_read_and_written_again_to_the_byte(
    delta: Parameters, share: float
) -> None:
    packed = pack(delta, Compression(share), NEAREST)
    content = wire.write_answer(LocalUpdate("a", "run", 1, packed, 1.0))
    answer = wire.read_answer(content, delta)
    assert isinstance(answer, LocalUpdate)
    assert isinstance(answer.delta, PackedDelta)
    for name in delta:
        np.testing.assert_array_equal(answer.delta[name], packed[name])
    again = wire.write_answer(answer)
    assert again["packed"].object_id == content["packed"].object_id


@given(data=st.binary(max_size=3000))
def test_shortened_bytes_are_restored_within_their_size_alone(data: bytes) -> None:
    assert decompress(compress(data), len(data)) == data
    assert len(compress(data)) <= len(data) + 16
    if data:
        with pytest.raises(ValueError, match=f"more than {len(data) - 1}"):
            decompress(compress(data), len(data) - 1)


@pytest.mark.parametrize("noise", [True, False], ids=["with DP", "without"])
def test_int8_has_at_least_3_9_times_fewer_bytes(noise: bool) -> None:
    """Even of a net as small as ``features``; noise is what can be shortened least."""
    generator = np.random.default_rng(1)
    values = generator.normal(size=1194) if noise else generator.laplace(size=1194)
    delta = {"weight": values[:-6].reshape(6, 198).astype(np.float32), "bias": np.ones(6, "f4")}
    plain = LocalUpdate("subject-01", "0" * 32, 1, delta, 1.0)
    packed = replace(plain, delta=pack(delta, Compression(1.0), generator))
    sent, before = (wire_log.count_bytes(wire.write_answer(update)) for update in (packed, plain))
    assert before / sent >= 3.9


def codes(values: bytes, *shape: int) -> Array:
    return Array("int8", shape or (len(values),), "zlib", compress(values))


def bits(values: bytes, *shape: int) -> Array:
    return Array("uint8", shape or (len(values),), "zlib", compress(values))


def as_sent(data: bytes) -> Array:
    return Array("int8", (2,), "zlib", data)


def hostile(**changed: Any) -> RecordDict:
    """A compressed update of ``LIKE`` with arrays replaced; None leaves one out."""
    mask = np.zeros(3, np.uint8)
    mask[0] = 3
    whole = {
        "s": wire.to_array(np.ones(2, np.float32)),
        "c": codes(bytes(2)),
        "m": bits(mask.tobytes()),
        **changed,
    }
    content = wire.write_answer(LocalUpdate("a", "run", 1, {}, 1.0))
    del content["arrays"]
    content["packed"] = ArrayRecord({k: v for k, v in whole.items() if v is not None})
    return content


def test_the_compressed_update_that_is_then_damaged_can_be_read() -> None:
    answer = wire.read_answer(hostile(), LIKE)
    assert isinstance(answer, LocalUpdate)
    assert {name: array.shape for name, array in answer.delta.items()} == layout_of(LIKE)


def scale(*values: float) -> Array:
    return wire.to_array(np.array(values, np.float32))


@pytest.mark.parametrize(
    "changed",
    [
        {"c": None},
        {"s": None},
        {"m": None},
        {"other": scale(1.0)},
        {"c": codes(bytes(3))},
        {"c": codes(bytes(2), 2**62)},
        {"c": codes(bytes(20))},
        {"c": codes(bytes(1 << 26))},
        {"c": as_sent(b"")},
        {"c": as_sent(bytes(2))},
        {"c": as_sent(compress(bytes(2))[:-1])},
        {"c": as_sent(compress(bytes(2)) + b"x")},
        {"c": Array("int8", (2,), "float32-little-endian", compress(bytes(2)))},
        {"c": Array("int16", (2,), "zlib", compress(bytes(2)))},
        {"c": scale(1.0, 2.0)},
        {"s": scale(1.0)},
        {"s": scale(1.0, math.nan)},
        {"s": scale(1.0, math.inf)},
        {"s": scale(1.0, -1.0)},
        {"s": wire.to_array(np.ones((1, 2), np.float32))},
        {"m": bits(b"\xff\xff\x07")},
        {"m": bits(b"\x01\x00\x08")},
        {"m": bits(b"\x03\x00")},
        {"m": bits(b"\x03\x00\x00", 1, 3)},
    ],
)
def test_a_damaged_compressed_update_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(wire.WireError):
        wire.read_answer(hostile(**changed), LIKE)


@given(
    values=st.binary(max_size=40),
    mask=st.none() | st.binary(max_size=6),
    scale_bytes=st.binary(max_size=12),
    size=st.integers(-1, 2**63 - 1) | st.none(),
    shortened=st.booleans(),
)
def test_any_bytes_are_an_update_of_the_expected_shapes_or_an_error(
    values: bytes, mask: bytes | None, scale_bytes: bytes, size: int | None, shortened: bool
) -> None:
    data = compress(values) if shortened else values
    content = hostile(
        c=Array("int8", (len(values) if size is None else size,), "zlib", data),
        m=None if mask is None else bits(mask),
        s=Array("float32", (len(scale_bytes) // 4,), "float32-little-endian", scale_bytes),
    )
    try:
        answer = wire.read_answer(content, LIKE)
    except wire.WireError:
        return
    assert isinstance(answer, LocalUpdate)
    assert {name: array.shape for name, array in answer.delta.items()} == layout_of(LIKE)
    assert all(np.isfinite(array).all() for array in answer.delta.values())


def test_a_compressed_update_is_refused_where_nobody_expects_one() -> None:
    with pytest.raises(wire.WireError, match="none may be"):
        wire.read_answer(hostile())
    both = hostile()
    both["arrays"] = ArrayRecord({"w": scale(1.0)})
    with pytest.raises(wire.WireError, match="no compressed update"):
        wire.read_answer(both, LIKE)
