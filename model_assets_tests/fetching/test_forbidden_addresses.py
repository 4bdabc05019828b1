"""Where a fetch may not go (U17), whatever a name, a redirect or an environment says."""

import socket

import pytest

from model_assets.fetching.http import Policy, fetch
from model_assets_tests.fetching.client import MODELS, ONCE, QUICK, failure
from model_assets_tests.fetching.misbehaving import answer, serving


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}/",
        "https://[::1]:{port}/",
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://[::ffff:7f00:1]:{port}/",
        "https://[64:ff9b::7f00:1]:{port}/",
        "https://[2002:7f00:1::]:{port}/",
        "https://[::127.0.0.1]:{port}/",
        "https://[::]:{port}/",
        "https://0x7f000001:{port}/",
        "https://0X7f.1:{port}/",
        "https://2130706433:{port}/",
        "https://0177.0.0.1:{port}/",
        "https://127.1:{port}/",
        "https://127.0.0.1.:{port}/",
        "https://\uff11\uff12\uff17.0.0.1:{port}/",
        "https://localhost:{port}/",
        "https://0.0.0.0:{port}/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
        "https://[fd00::1]/",
        "https://[ff02::1]/",
        "http://127.0.0.1:{port}/",
        "http://example.com/",
        "https://user:secret@example.com/",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "https:///models",
        "https://[::1",
        "https://8.8.8.8:99999/",
        "https://8.8.8.8:0/",
        "https://exa\nmple.com/",
        "",
    ],
)
def test_no_forbidden_url_is_connected_to(url, called):
    with serving(answer(200, MODELS)) as guarded, serving(answer(200, MODELS), host="::1") as guarded_too:
        for port in (guarded.port, guarded_too.port):
            failed = failure(url.format(port=port), Policy())
            assert failed.kind == "forbidden_address"
            assert "secret" not in str(failed)
    assert (guarded.connections, guarded_too.connections, called) == (0, 0, [])


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::1"], ["10.1.2.3"], ["192.168.0.1"], ["169.254.1.2"], ["::ffff:127.0.0.1"], ["fd00::1"], ["8.8.8.8", "127.0.0.1"]],
    ids=str,
)
def test_a_name_with_any_address_inside_is_not_connected_to(addresses, names, called):
    names["models.test"] = [addresses]
    with serving(answer(200, MODELS)) as guarded:
        failed = failure(f"https://models.test:{guarded.port}/", Policy())
    assert (failed.kind, guarded.connections, called, names.asked) == ("forbidden_address", 0, [], ["models.test"])
    assert "leads to" in str(failed)


def test_plain_http_goes_nowhere_but_to_this_machine(names, called):
    names["models.test"] = [["8.8.8.8"]]
    assert failure("http://models.test/").kind == "forbidden_address"
    assert (called, names.asked) == ([], ["models.test"])


def test_a_name_that_is_rebound_after_the_check_still_leads_to_the_address_that_was_checked(names, called):
    names["models.test"] = [["127.0.0.1"], ["127.0.0.2"]]
    with serving(answer(200, MODELS)) as server, serving(answer(200, b"stolen"), host="127.0.0.2", port=server.port) as guarded:
        found = fetch(server.url(host="models.test"), policy=ONCE)
        assert (found.body, server.connections, guarded.connections) == (MODELS, 1, 0)
        assert (called, names.asked) == ([("127.0.0.1", server.port)], ["models.test"])
        with socket.create_connection(("models.test", server.port)) as armed:  # a second look-up would have led astray
            assert armed.getpeername()[0] == "127.0.0.2"


def test_a_name_that_is_rebound_between_two_tries_is_checked_again(names, called):
    names["models.test"] = [["127.0.0.1"], ["10.0.0.1"]]
    with serving(answer(503)) as server:
        failed = failure(server.url(host="models.test"), QUICK)
    assert (failed.kind, server.connections, called) == ("forbidden_address", 1, [("127.0.0.1", server.port)])
    assert names.asked == ["models.test"] * 2


def test_an_address_that_does_not_answer_gives_way_to_the_next_of_the_name(names, called):
    names["models.test"] = [["127.0.0.3", "127.0.0.1"]]
    with serving(answer(200, MODELS)) as server:
        assert fetch(server.url(host="models.test"), policy=ONCE).body == MODELS
    assert called == [("127.0.0.3", server.port), ("127.0.0.1", server.port)]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "http://127.0.0.2:{guarded}/",
        "http://127.0.0.1:{guarded}/",
        "//127.0.0.1:{guarded}/",
        "https://127.0.0.1:{guarded}/",
        "http://[::1]:{guarded}/",
        "http://[::ffff:127.0.0.1]:{guarded}/",
        "http://0x7f000001:{guarded}/",
        "http://2130706433:{guarded}/",
        "http://localhost:{guarded}/",
        "http://user:secret@127.0.0.1:{guarded}/",
        "https://example.com/",
        "file:///etc/passwd",
        "http://[::1",
        "http://\xe9\xff\x01/",
        "",
    ],
)
def test_no_redirect_leads_to_another_host_port_or_scheme(location, called):
    with serving(answer(200, b"stolen")) as guarded:
        with serving(answer(302, b"", f"Location: {location.format(guarded=guarded.port)}")) as server:
            failed = failure(server.url(), QUICK)
        assert (failed.kind, server.connections, guarded.connections) == ("redirect", 1, 0)
        assert called == [("127.0.0.1", server.port)]
        assert "secret" not in str(failed)


def test_three_redirects_on_the_same_host_are_followed_and_a_fourth_is_not():
    moved = [answer(status, b"", f"Location: {location}") for status, location in ((301, "/b"), (307, "c?d=1"), (308, "/e"))]
    with serving(*moved, answer(200, MODELS)) as server:
        found = fetch(server.url("/a/b"), policy=ONCE)
    assert (found.body, found.url, found.attempts) == (MODELS, server.url("/e"), 1)
    assert [request.split()[1] for request in server.requests] == ["/a/b", "/b", "/c?d=1", "/e"]
    with serving(answer(302, b"", "Location: /again")) as server:
        failed = failure(server.url(), QUICK)
    assert (failed.kind, server.connections) == ("redirect", 4)
