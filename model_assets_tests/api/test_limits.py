"""Fault A12: how often somebody may ask, and who is somebody."""

import threading
from ipaddress import ip_network

import pytest

from model_assets.api.limits import MOST_KEYS, WRONG, Limiter, Limits, Standing, bucket_of, client_address
from model_assets.settings import TierRate, read_settings

HOURLY = TierRate("free", 100, 3600)


class Clock:
    """Seconds that pass as told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_hundred_an_hour_are_a_hundred_at_once_and_then_one_in_36_seconds() -> None:
    clock = Clock()
    limiter = Limiter(clock=clock)
    assert [limiter.take("a", HOURLY).remaining for _ in range(100)] == list(range(99, -1, -1))
    assert limiter.take("a", HOURLY) == Standing(False, 100, 0, 36, 3600)
    clock.seconds += 35
    assert limiter.take("a", HOURLY) == Standing(False, 100, 0, 1, 3565)
    clock.seconds += 1
    assert limiter.take("a", HOURLY) == Standing(True, 100, 0, 0, 3600)
    assert not limiter.take("a", HOURLY).allowed


def test_who_waits_as_long_as_told_is_let_in() -> None:
    clock = Clock()
    limiter = Limiter(clock=clock)
    for rate in (HOURLY, TierRate("free", 7, 60), TierRate("free", 2400, 60), TierRate("pro", 1, 3600), TierRate("pro", 9_999_999, 60)):
        while limiter.take(str(rate), rate).allowed and rate.requests < 10_000:
            pass
        clock.seconds += limiter.look(str(rate), rate).retry_after
        assert limiter.take(str(rate), rate).allowed, rate


def test_a_day_away_earns_no_more_than_a_full_bucket() -> None:
    clock = Clock()
    limiter = Limiter(clock=clock)
    limiter.take("a", HOURLY)
    clock.seconds += 86_400
    assert sum(limiter.take("a", HOURLY).allowed for _ in range(200)) == 100


def test_one_who_asks_too_often_takes_nothing_from_another_nor_from_the_own_waiting_time() -> None:
    limiter = Limiter(clock=Clock())
    for _ in range(300):
        limiter.take("a", HOURLY)
    assert limiter.take("b", HOURLY) == Standing(True, 100, 99, 0, 36)
    assert limiter.look("a", HOURLY).retry_after == 36


def test_looking_takes_nothing() -> None:
    limiter = Limiter(clock=Clock())
    assert [limiter.look("a", HOURLY).remaining for _ in range(3)] == [100, 100, 100]


def test_twenty_threads_get_what_there_is_and_no_more() -> None:
    limiter, allowed = Limiter(clock=Clock()), []
    threads = [threading.Thread(target=lambda: allowed.extend(limiter.take("a", HOURLY).allowed for _ in range(50))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(allowed), sum(allowed)) == (1000, 100)


def test_any_number_of_addresses_takes_bounded_memory_and_does_not_free_whoever_goes_on_trying() -> None:
    limiter, few = Limiter(most_keys=50, clock=Clock()), TierRate("free", 2, 3600)
    allowed = 0
    for number in range(5000):
        limiter.take(f"other {number}", few)
        allowed += limiter.take("a", few).allowed if number % 2 else limiter.look("a", few).allowed and limiter.take("a", few).allowed
    assert allowed == 2
    assert len(limiter._full_at) == 50
    assert Limiter().most_keys == MOST_KEYS


def test_the_headers_say_how_one_stands() -> None:
    assert Standing(True, 100, 7, 0, 90).headers(now=1000.2) == {
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "7",
        "X-RateLimit-Reset": "1091",
    }
    assert Standing(False, 100, 0, 36, 3600).headers(now=1000.0)["Retry-After"] == "36"
    assert int(Standing(True, 100, 7, 0, 90).headers()["X-RateLimit-Reset"]) > 1_700_000_000


def limits(text: str) -> Limits:
    return Limits(read_settings({"API_RATE_LIMITS": text}), Clock())


def test_a_user_has_a_bucket_wherever_they_are_and_without_a_token_an_address_has_one() -> None:
    found = limits("anonymous:1,free:2,pro:3")
    assert [found.ask(None, "free", "1.1.1.1").allowed for _ in range(2)] == [True, False]
    assert found.ask(None, "free", "1.1.1.2").allowed
    assert [found.ask("ann", "free", f"1.1.1.{number}").allowed for number in range(3)] == [True, True, False]
    assert found.ask("bob", "free", "1.1.1.1").allowed
    assert [found.ask("ann", "pro", "1.1.1.1").allowed for _ in range(4)] == [True, True, True, False]


def test_a_user_whose_id_is_an_address_has_nothing_to_do_with_that_address() -> None:
    found = limits("anonymous:1,free:1")
    assert found.ask("1.1.1.1", "anonymous", "9.9.9.9").allowed
    assert found.ask(None, "free", "1.1.1.1").allowed


def test_who_is_not_named_has_no_limit_and_by_default_admins_are_not() -> None:
    assert limits("anonymous:1").ask("ann", "admin", "1.1.1.1") is None
    by_default = Limits(read_settings({}), Clock())
    assert by_default.ask("ann", "admin", "1.1.1.1") is None
    assert by_default.ask(None, "free", "1.1.1.1").limit == 600


def test_wrong_credentials_are_counted_by_address_and_stricter_than_requests() -> None:
    found = Limits(read_settings({}), Clock())
    for _ in range(WRONG.requests):
        assert found.may_try("1.1.1.1").allowed
        found.wrong("1.1.1.1")
    assert found.may_try("1.1.1.1") == Standing(False, 30, 0, 2, 60)
    assert found.may_try("1.1.1.2").allowed
    assert found.ask(None, "free", "1.1.1.1").allowed
    assert {rate.requests / rate.seconds > WRONG.requests / WRONG.seconds for rate in read_settings({}).api_rate_limits} == {True}


def test_other_limits_leave_that_on_wrong_credentials_as_it_is_and_off_takes_all_away() -> None:
    assert limits("free:5").may_try("1.1.1.1").limit == 30
    assert limits("wrong:5").may_try("1.1.1.1").limit == 5
    off = limits("off")
    off.wrong("1.1.1.1")
    assert (off.may_try("1.1.1.1"), off.ask(None, "free", "1.1.1.1")) == (None, None)


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_what_shares_a_bucket(address: str, bucket: str) -> None:
    assert bucket_of(address) == bucket


PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("1.1.1.1", [], "1.1.1.1"),
        ("1.1.1.1", ["6.6.6.6"], "1.1.1.1"),
        ("10.0.0.1", ["2.2.2.2"], "2.2.2.2"),
        ("10.0.0.1", ["6.6.6.6, 2.2.2.2"], "2.2.2.2"),
        ("10.0.0.1", ["6.6.6.6", "2.2.2.2"], "2.2.2.2"),
        ("10.0.0.1", ["6.6.6.6, 2.2.2.2, 10.0.0.2"], "2.2.2.2"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["2.2.2.2:8080"], "2.2.2.2"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["2.2.2.2"], "2.2.2.2"),
        ("10.0.0.1", ["2.2.2.2, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["2.2.2.2, "], "10.0.0.1"),
        ("10.0.0.1", ["' or 1=1 --"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        (None, ["2.2.2.2"], "unknown"),
    ],
)
def test_only_what_a_trusted_proxy_wrote_counts(peer: str | None, forwarded: list[str], found: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == found


def test_without_trusted_proxies_nobody_writes_their_own_address() -> None:
    assert Limits(read_settings({})).address("127.0.0.1", ["6.6.6.6"]) == "127.0.0.1"


def test_a_long_header_is_read_from_its_end_and_not_for_long() -> None:
    assert client_address("10.0.0.1", [",".join(["10.0.0.2"] * 100_000)], PROXIES) == "10.0.0.2"
    assert client_address("10.0.0.1", ["6.6.6.6," * 100_000 + "2.2.2.2"], PROXIES) == "2.2.2.2"
