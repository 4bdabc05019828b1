import json
import time
from decimal import Decimal, localcontext

import pytest

from model_assets.errors import BadPayload
from model_assets.fetching.strict_json import loads, loads_fast


def refusal(body: bytes) -> str:
    with pytest.raises(BadPayload) as refused:
        loads(body)
    message = str(refused.value)
    with pytest.raises(BadPayload) as refused_fast:
        loads_fast(body)
    assert str(refused_fast.value) == message
    assert "\n" not in message
    assert message.isascii()
    assert len(message) < 250
    return message


def test_a_price_is_the_exact_decimal_that_was_written_and_an_integer_stays_one():
    found = loads(b'{"prompt": 0.0000000375, "cached": 1E-7, "zero": 0.0, "context": 128000, "free": 0}')
    assert found == {"prompt": Decimal("0.0000000375"), "cached": Decimal("1E-7"), "zero": Decimal(0), "context": 128000, "free": 0}
    assert {name: type(value) for name, value in found.items()} == {
        "prompt": Decimal, "cached": Decimal, "zero": Decimal, "context": int, "free": int,
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":0.0000000375,"b":1E-7,"c":0.0,"d":128000,"e":[1.10,-0,-0.0,1e3,123456789012345678901234567890,18446744073709551616]}',
        '[true,false,null,"\u00e9\u202e","\\u00e9","\\/","\U0001f600",{},{"":[]},"\\"\\n\\u001f"]'.encode(),
        b'["\\ud800","\\u0000"]', b' [ 1 ] ', b'{"b":1,"a":2}', b'"x"', b"7", b"0.10",
    ],
)  # fmt: skip
def test_the_fast_way_finds_what_the_exact_way_finds_to_the_last_digit(body):
    assert repr(loads_fast(body)) == repr(loads(body))


def test_all_other_values_are_those_of_the_standard_library():
    body = ' {"a": [true, false, null, -5, "\u00e9\u202e", "\\u00e9", "\U0001f600", {}], "b": {"": []}} \n'.encode()
    assert loads(body) == json.loads(body)


@pytest.mark.parametrize("body", [b'{"error": {"code": 503}}', b"[]", b"{}", b"null", b'{"data": []}', b'"text"', b"7"])
def test_a_document_without_models_is_json_all_the_same_and_the_envelope_is_judged_elsewhere(body):
    assert loads(body) == json.loads(body)


def test_lone_surrogates_nulls_and_long_names_pass_because_they_spoil_a_row_and_not_the_document():
    assert loads(b'["\\ud800", "\\u0000", "' + b"x" * 1_000_000 + b'"]') == ["\ud800", "\0", "x" * 1_000_000]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"name": "caf\xe9"}', "byte 0xe9 at byte 13 of 16"),
        (b'["\xed\xa0\x80"]', "byte 0xed at byte 2"),
        (b'["\xc0\x80"]', "byte 0xc0 at byte 2"),
        (b"\xef\xbb\xbf[]", "UTF-8 byte order mark at byte 0"),
        ("[]".encode("utf-16"), "UTF-16 or UTF-32 byte order mark"),
        ("[]".encode("utf-16-le"), "not JSON"),
        (b"\x1f\x8b\x08\x00", "gzip header"),
        (b'["a\x00b"]', "control character, at byte 3"),
    ],
)
def test_bytes_that_are_not_plain_utf_8_are_refused_with_their_place(body, said):
    assert said in refusal(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[1, NaN]", "NaN is not a number in JSON, at byte 4"),
        (b"[Infinity]", "Infinity is not a number"),
        (b"[\n-Infinity]", "at byte 2 (line 2)"),
        (b'{"a":1,"a":2}', "the key 'a' occurs twice"),
        (b'[{"id":"lab/x","id":"lab/y"}]', "the key 'id' occurs twice"),
        (b'{"a": 1, "a": 1}', "the key 'a' occurs twice in the object that begins with 'a': 1"),
        (b'{"data": [{"id": "lab/x", "price": 1, "price": 2}]}', "'price' occurs twice in the object that begins with 'id': 'lab/x'"),
        (b'{"a": 1, "\\u0061": 2}', "the key 'a' occurs twice"),
        (b"[" + b"9" * 5_000 + b"]", "an integer of 5,000 digits, at byte 1"),
        (b"[-" + b"9" * 5_000 + b"]", "an integer of 5,001 digits"),
        (b"[0." + b"9" * 5_000 + b"]", "a number of 5,002 characters"),
        (b"[1e999999999]", "'1e999999999' is out of all range"),
        (b"[1e-999999999]", "out of all range"),
        (b"[0e999999999]", "out of all range"),
        (b"[1e99999999999999999999999]", "out of all range"),
        (b"[1e-99999999999999999999999]", "out of all range"),
        (b"[1e" + b"9" * 5_000 + b"]", "a number of 5,002 characters"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deep"),
    ],
    ids=lambda value: value[:16].decode() if isinstance(value, bytes) else "",
)
def test_what_would_mislead_or_break_a_reader_is_refused(body, said):
    assert said in refusal(body)


def test_an_absurd_exponent_is_refused_even_where_decimals_trap_nothing():
    with localcontext() as context:
        context.clear_traps()
        assert "out of all range" in refusal(b"[7e99999999999999999999999]")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty (0 bytes)"),
        (b" \r\n", "the body is empty (3 bytes)"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "not JSON: looks like an HTML page ('<!DOCTYPE html>"),
        (b"\n  <html>\xe2\x80\xae", "not JSON: looks like an HTML page"),
        (b"upstream connect error", "not JSON: expecting value, at byte 0"),
        (b'{"data": [{"id": "lab/mod', "ends too early, unterminated string, at byte 17"),
        (b'{"data": [', "ends too early"),
        (b'{"data": [{"id"', "ends too early"),
        (b'{"data": []} {"data": []}', "extra data, at byte 13"),
        (b"{'data': []}", "at byte 1"),
        (b"[1,]", "at byte 3"),
        ('["é", }'.encode(), "at byte 7 (line 1)"),
        (b'["\\x"]', "invalid \\escape"),
        (b"[01]", "at byte 2"),
        (b"[1.]", "at byte 2"),
    ],
)
def test_what_is_not_json_is_refused_with_what_was_found_where_and_what_to_do(body, said):
    message = refusal(body)
    assert said in message
    assert message.count(". ") == 1, "a finding, then what to do"


def test_thirty_thousand_objects_in_three_megabytes_take_less_than_150_milliseconds():
    prices = [{"id": f"lab/model-{n}", "about": "x" * 40, "context": n * 8, "prompt": n % 500 / 1e6} for n in range(30_000)]
    body = json.dumps({"data": prices}).encode()
    assert len(body) > 3_000_000
    taken = []
    for _ in range(3):
        before = time.process_time()
        loads(body)
        taken.append(time.process_time() - before)
    assert min(taken) < 0.15
