import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model_assets.cost.log import PROBLEMS, normalise, read_chunks
from model_assets.errors import ModelAssetsError


def log(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"time": ["2026-08-22T12:00:00Z"], "model": ["m"]} | {name: [value] for name, value in columns.items()})


def counts(**columns: Any) -> dict[str, int]:
    found = normalise(log(**columns)).counts
    return {name: int(values[0]) for name, values in found.items() if values[0]}


def problem(frame: pd.DataFrame) -> str:
    return PROBLEMS[normalise(frame).problem[0]]


def test_counts_of_openai_hold_their_cached_tokens_which_are_taken_off():
    assert counts(prompt_tokens=1_000, cached_tokens=400, completion_tokens=50, reasoning_tokens=20) == {
        "input": 600, "cache_read": 400, "output": 50, "reasoning": 20, "request": 1,
    }  # fmt: skip
    assert counts(input_tokens=1_000, cached_tokens=400)["input"] == 600


def test_counts_of_anthropic_are_apart_from_each_other():
    found = counts(input_tokens=1_000, cache_read_input_tokens=400, cache_creation_input_tokens=30, output_tokens=5)
    assert found == {"input": 1_000, "cache_read": 400, "cache_write_5m": 30, "output": 5, "request": 1}


def test_a_whole_prompt_holds_its_cache_however_that_is_spelled_and_its_audio():
    found = counts(prompt_tokens=1_000, cache_read_input_tokens=400, cache_creation_input_tokens=30, input_audio=70)
    assert found["input"] == 500


def test_a_whole_answer_holds_its_audio():
    assert counts(prompt_tokens=1, completion_tokens=100, output_audio=80)["output"] == 20


def test_two_columns_of_one_count_are_refused():
    with pytest.raises(ModelAssetsError, match="has two columns that hold input: input and input_tokens"):
        normalise(log(input=1, input_tokens=1))
    with pytest.raises(ModelAssetsError, match=r"prompt_tokens \(the whole prompt\) and input"):
        normalise(log(input=1, prompt_tokens=1))


def test_a_log_without_a_model_a_time_or_a_count_is_refused_by_name():
    with pytest.raises(ModelAssetsError, match=r"no column model\. It has time, input"):
        normalise(log(input=1).drop(columns="model"))
    with pytest.raises(ModelAssetsError, match="no column with a count"):
        normalise(log(colour="red"))


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (log(input=1).assign(time="yesterday"), "its time cannot be read"),
        (log(input=1).assign(model=None), "it names no model"),
        (log(input=1).assign(model=" "), "it names no model"),
        (log(input=-1), "a count is not a whole number, or negative"),
        (log(input="many"), "a count is not a whole number, or negative"),
        (log(input=1.5), "a count is not a whole number, or negative"),
        (log(input=float("inf")), "a count is not a whole number, or negative"),
        (log(input=None, output=""), "it counts nothing"),
        (log(prompt_tokens=10, cached_tokens=11), "parts of the prompt or answer add up to more than the whole"),
        (log(output=10, reasoning=11), "more reasoning tokens than the output has"),
        (log(input="12", output=" 5 "), ""),
        (log(input=12.0, output=None), ""),
    ],
)
def test_what_is_wrong_with_a_row_is_named(frame: pd.DataFrame, said: str):
    assert problem(frame) == said


@pytest.mark.parametrize(
    "time",
    ["2026-08-22T12:00:00Z", "2026-08-22 12:00:00", "2026-08-22T14:00:00+02:00", 1_787_400_000, 1_787_400_000_000, 1_787_400_000.0,
     pd.Timestamp("2026-08-22T12:00"), pd.Timestamp("2026-08-22T08:00", tz="America/New_York")],
)  # fmt: skip
def test_a_time_is_read_in_any_common_form(time: object):
    assert normalise(log(input=1).assign(time=time)).time[0] == 1_787_400_000_000_000


def test_a_time_in_a_csv_may_be_in_seconds(tmp_path: Path):
    (tmp_path / "log.csv").write_text("time,model,input\n1787400000.25,m,1\n")
    [chunk] = read_chunks(tmp_path / "log.csv")
    assert normalise(chunk).time[0] == 1_787_400_000_250_000


def test_seconds_are_counted_to_the_millionth():
    found = normalise(log(seconds=2.123456))
    assert (found.counts["seconds"][0], found.scales["seconds"]) == (2_123_456, 1_000_000)


def test_tiers_are_spelled_as_price_rows_spell_them():
    frame = pd.concat([log(input=1, service_tier=tier) for tier in ("default", "Batch", None, "auto", "batch", "")], ignore_index=True)
    found = normalise(frame)
    assert [found.name("service_tier", row) for row in range(6)] == ["standard", "batch", "", "standard", "batch", "standard"]


def test_a_log_is_read_in_chunks_from_csv_gzip_and_parquet(tmp_path: Path):
    frame = pd.DataFrame({"timestamp": ["2026-08-22T12:00:00Z"] * 5, "model": list("abcde"), "tokens": 9, "prompt_tokens": range(5)})
    frame.to_csv(tmp_path / "log.csv", index=False)
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress((tmp_path / "log.csv").read_bytes()))
    frame.to_parquet(tmp_path / "log.parquet")
    for name in ("log.csv", "log.csv.gz", "log.parquet"):
        chunks = [normalise(chunk) for chunk in read_chunks(tmp_path / name, 2)]
        assert [len(chunk) for chunk in chunks] == [2, 2, 1]
        assert np.concatenate([chunk.counts["input"] for chunk in chunks]).tolist() == [0, 1, 2, 3, 4]
        assert [chunk.name("model", 0) for chunk in chunks] == ["a", "c", "e"]


def test_a_model_whose_id_is_a_number_stays_a_text(tmp_path: Path):
    (tmp_path / "log.csv").write_text("time,model,input\n2026-08-22,0613,1\n")
    [chunk] = read_chunks(tmp_path / "log.csv")
    assert normalise(chunk).name("model", 0) == "0613"


@pytest.mark.parametrize(
    ("name", "content"), [("log.csv", b""), ("log.parquet", b"PAR1 no"), ("log.csv.gz", b"no gzip"), ("log.csv", b"\xff\xfe\x00")]
)
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelAssetsError) as refused:
        list(read_chunks(tmp_path / name))
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ModelAssetsError, match="There is no file"):
        list(read_chunks(tmp_path / "log.csv"))
