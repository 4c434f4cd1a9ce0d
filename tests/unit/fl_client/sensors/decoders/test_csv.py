"""Separated values as spreadsheets and loggers write them."""

import numpy as np
import pytest

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders.csv import CsvDecoder
from fl_common.errors import InvalidConfiguration
from tests.support.edge import NOW
from tests.support.payloads import FIRST

HEADED = CsvDecoder(None, "time", "s", ",", ".", {"y": {"open": 1, "closed": 0}})


def test_a_heading_names_the_columns_of_its_own_payload() -> None:
    for body in (
        b"time,x,y\n1699999990,1,2\n1699999991,,open\n",
        b'\xef\xbb\xbf"y" , "x","time"\r\n2,"1","1699999990"\r\n\r\nopen,,1699999991'.replace(
            b'"y" , "x"', b'"y","x"'
        ),
        b"x, other,y ,time\n1,a,2,1699999990\n,b,open,1699999991\n\n",
    ):
        found = HEADED.decode(body, ("x", "y"), NOW)
        np.testing.assert_array_equal(found.values_NC, [[1, 2], [np.nan, 1]])
        assert found.times_N.tolist() == [FIRST, FIRST + 10**9]


def test_a_column_that_the_heading_lacks_is_named() -> None:
    for body in (b"time,z\n1699999990,1\n", b"TIME,x\n1699999990,1\n"):
        with pytest.raises(InvalidPayload, match=r"columns: there is no column (x|time)"):
            HEADED.decode(body, ("x",), NOW)
    for body in (b"", b"\n", b"time,x\n", b"\n\n\n"):
        with pytest.raises(InvalidPayload, match="structure"):
            HEADED.decode(body, ("x",), NOW)


def test_a_decimal_comma() -> None:
    decoder = CsvDecoder(["t", "x"], "t", "s", ";", ",", {})
    found = decoder.decode(b"1699999990,5;-1,25e1\n", ("x",), NOW)
    assert (found.times_N.tolist(), found.values_NC.tolist()) == ([FIRST + 500_000_000], [[-12.5]])
    with pytest.raises(InvalidPayload, match="type: x is"):
        CsvDecoder(["t", "x"], "t", "s", ";", ".", {}).decode(b"1699999990;1,25", ("x",), NOW)


def test_a_line_without_a_stamp_is_of_its_arrival() -> None:
    decoder = CsvDecoder(["x"], "arrival", None, ",", ".", {})
    found = decoder.decode(b"1.5\n", ("x",), NOW)
    assert (found.times_N.tolist(), found.own_times) == ([NOW], False)
    with pytest.raises(InvalidPayload, match="need stamps"):
        decoder.decode(b"1\n2\n", ("x",), NOW)


@pytest.mark.parametrize(
    ("separator", "decimal", "said"),
    [(",", ",", "separator"), (";;", ".", "separator"), ("", ".", "separator"),
     ('"', ".", "separator"), (";", "x", "decimal")],
)  # fmt: skip
def test_marks_that_can_not_be_told_apart_are_refused(
    separator: str, decimal: str, said: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=f"{said}="):
        CsvDecoder(["t", "x"], "t", "s", separator, decimal, {})
