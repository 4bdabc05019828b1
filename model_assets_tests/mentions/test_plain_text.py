"""Text without markup, for matching, and the way back to the text as it came."""

import pytest

from model_assets.mentions.plain_text import Plain


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("no markup", "no markup"),
        ("<p>one</p><p>two", "\none\n\ntwo"),
        ("<b>GPT</b>-4", "GPT-4"),
        ("GPT&#x2011;4 &amp; more", "GPT\u20114 & more"),
        ("a < b and c > d", "a < b and c > d"),
        ("a<script>GPT-4</script>b", "a\nb"),
        ("a<!-- GPT-4 -->b", "a\nb"),
        ("see https://x.example/gpt-4 now", "see \n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n now"),
        ("<a href='https://x/gpt-4'>it</a>", "it"),
        ("a&nbsp;b", "a\u00a0b"),
        ("<" * 50, "<" * 50),
    ],
)
def test_markup_goes_and_words_stay(raw: str, plain: str):
    assert Plain(raw).text == plain


def test_every_place_leads_back_to_the_text_as_it_came():
    raw = "x<p>A &amp; B<br/>&lt;C&gt; <i>D</i>E"
    plain = Plain(raw)
    for letter in "xABCDE":
        assert raw[plain.at(plain.text.index(letter))] == letter


def test_a_long_text_of_broken_markup_is_read_in_proportion_to_its_length():
    assert len(Plain("<a " * 200_000).text) == 600_000
    assert len(Plain("&a" * 200_000).text) == 400_000
