"""Payloads of several requests, from servers on loopback."""

import json

import pytest

from model_assets.errors import BadPayload, FetchFailed
from model_assets.fetching.http import Policy
from model_assets.pipeline import asking
from model_assets.sources.gathered import Part, Request, gather, known_parts, pack, part_of, parts
from model_assets_tests.fetching.misbehaving import answer, serving

ASK = asking(Policy(attempts=1, allow_loopback=True))


def test_each_answer_is_kept_letter_for_letter_with_where_it_came_from() -> None:
    texts = ['{"a":  1}\r\n', "\ufeffÄ\x00\u2028\"'\\", ""]
    with serving(*(answer(200, text.encode(), f'ETag: "{number}"') for number, text in enumerate(texts))) as server:
        found = parts(gather(ASK, None, [Request(server.url(f"/{number}")) for number in range(3)]))
        assert [part.url for part in found] == [server.url("/0"), server.url("/1"), server.url("/2")]
    assert [part.body for part in found] == texts
    assert [part.etag for part in found] == ['"0"', '"1"', '"2"']


def test_an_answer_that_has_not_changed_is_taken_from_the_payload_kept() -> None:
    with serving(
        answer(200, b"one", 'ETag: "a"'), answer(200, b"two", 'ETag: "b"'), answer(304), answer(200, b"TWO", 'ETag: "c"')
    ) as server:
        wanted = [Request(server.url("/one")), Request(server.url("/two"))]
        first = gather(ASK, None, wanted)
        second = gather(ASK, first, wanted)
        assert [request.lower().count("if-none-match") for request in server.requests] == [0, 0, 1, 1]
        assert 'if-none-match: "a"' in server.requests[2].lower()
    assert [part.body for part in parts(second)] == ["one", "TWO"]
    assert [part.etag for part in parts(second)] == ['"a"', '"c"']


def test_equal_answers_make_equal_bytes() -> None:
    with serving(answer(200, b"same", 'ETag: "a"'), answer(304), answer(200, b"same", 'ETag: "a"')) as server:
        first = gather(ASK, None, [Request(server.url())])
        assert gather(ASK, first, [Request(server.url())]) == first
        assert gather(ASK, None, [Request(server.url())]) == first


def test_one_request_that_fails_fails_the_whole_and_is_named() -> None:
    with serving(answer(200, b"one"), answer(404)) as server, pytest.raises(FetchFailed) as failed:
        gather(ASK, None, [Request(server.url("/one")), Request(server.url("/two")), Request(server.url("/three"))])
    assert server.connections == 2
    assert failed.value.kind == "status"
    assert "/two answered 404" in str(failed.value)
    assert "It is request 2 of 3, and a payload is made of all or none." in str(failed.value)


def test_an_answer_that_is_no_text_fails_the_whole() -> None:
    with serving(answer(200, b"a\xffb")) as server, pytest.raises(FetchFailed, match=r"byte 1 of .* is not UTF-8\. It is request 1 of 1"):
        gather(ASK, None, [Request(server.url("/x?key=secret"))])


def test_no_error_holds_the_query_or_a_header_of_a_request() -> None:
    with serving(answer(200, b"\xff"), answer(500)) as server:
        for _ in range(2):
            with pytest.raises(FetchFailed) as failed:
                gather(ASK, None, [Request(server.url("/x?key=secret"), {"x-api-key": "secret"})])
            assert "secret" not in f"{failed.value!r} {failed.value.__cause__!r}"
        assert all("x-api-key: secret" in request for request in server.requests)


def test_headers_of_a_request_are_never_kept() -> None:
    with serving(answer(200, b"x")) as server:
        assert b"secret" not in gather(ASK, None, [Request(server.url(), {"x-api-key": "secret"})])


def test_the_link_header_says_which_page_comes_next() -> None:
    link = '<https://a/?cursor=1,2>; rel="prev", <https://a/?cursor=3;x>; rel="next"'
    with serving(answer(200, b"x", f"Link: {link}"), answer(304)) as server:
        one = part_of(ASK, {}, Request(server.url()))
        assert one.next_url() == "https://a/?cursor=3;x"
    assert parts(pack([one])) == [one]
    assert Part("u", None, "", '<b>; rel="last"').next_url() is None
    assert Part("u", None, "", "<b>; rel=next").next_url() == "b"
    assert Part("u", None, "").next_url() is None


def test_a_body_without_the_marker_is_one_part_where_a_source_says_so() -> None:
    for alone in (b'{"text": {}}', b"a,b\n", b"", b'{"GATHERED":1}'):
        assert parts(alone, alone="https://a") == [Part("https://a", None, alone.decode())]
    packed = pack([Part("https://b", None, "x")])
    assert parts(packed, alone="https://a") == parts(packed) == [Part("https://b", None, "x")]
    spaced = json.dumps(json.loads(packed), indent=2).encode()
    assert parts(spaced, alone="https://a")[0].body == "x"


@pytest.mark.parametrize(
    "broken",
    [
        b"", b"{}", b"[]", b"x", b'{"gathered":1}', b'{"gathered":1,"parts":[]}', b'{"gathered":1,"parts":{}}', b'{"gathered":1,"parts":[1]}',
        b'{"gathered":2,"parts":[{"url":"a","body":"b"}]}', b'{"gathered":true,"parts":[{"url":"a","body":"b"}]}',
        b'{"gathered":1,"parts":[{"url":"a"}]}', b'{"gathered":1,"parts":[{"body":"a","url":5}]}', b'{"gathered":1,"parts":[{"url":"a","body":"b"}',
    ],
)  # fmt: skip
def test_a_payload_that_was_not_gathered_in_this_form_is_refused(broken: bytes) -> None:
    with pytest.raises(BadPayload):
        parts(broken)


def test_a_kept_payload_of_another_form_is_asked_for_anew() -> None:
    assert known_parts(None) == known_parts(b"a: b") == known_parts(b'{"gathered":2,"parts":[]}') == {}
    with pytest.raises(BadPayload, match="byte 0 of 1 is not UTF-8"):
        parts(b"\xff", alone="https://a")
