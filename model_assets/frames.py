"""The contracts as pandera models: what each column may hold, with its unit, and which rows break it.

Only rows that differ from the ledger come here; see `ledger.changes`.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from model_assets.contracts import LIFECYCLES, MENTION_KINDS, METERS, PRECISIONS, STATES, UNITS
from model_assets.ledger.claims import Relation, Row
from model_assets.sources.base import NAME_LIMIT, id_problem

MOST_TOKENS = 2**53


class Rows(pa.DataFrameModel):
    """What all relations have in common."""


class ListedRows(Rows):
    """What belongs to a listing."""

    provider: Series[str] = pa.Field(
        str_length={"min_value": 1, "max_value": NAME_LIMIT}, description="who serves the model, as the source spells it"
    )
    listed_id: Series[str] = pa.Field(description="the id at that provider, letter for letter as the source spells it")

    @pa.check("provider", "listed_id", name="is_an_id")
    def is_an_id(cls, ids: pd.Series) -> pd.Series:
        """No control or direction characters, no more than 512 characters."""
        return ids.map({found: id_problem(found) is None for found in ids.unique()}).astype(bool)


class ListingRows(ListedRows):
    """A listing names a provider and an id; all the rest may be unknown, but what is there is possible."""

    name: Series[str] = pa.Field(nullable=True, str_length={"max_value": NAME_LIMIT}, description="the display name, never used to join")
    author: Series[str] = pa.Field(nullable=True, description="who trained the model, where the source says it")
    description: Series[str] = pa.Field(nullable=True, description="the source's own words: untrusted text")
    family: Series[str] = pa.Field(nullable=True, description="the source's name for a line of models")
    released_on: Series[object] = pa.Field(nullable=True, description="first day of the period in which the model was released")
    released_on_precision: Series[str] = pa.Field(
        nullable=True, isin=PRECISIONS, description="how exact released_on is: year, month or day"
    )
    knowledge_cutoff: Series[object] = pa.Field(nullable=True, description="first day of the period up to which the training data goes")
    knowledge_cutoff_precision: Series[str] = pa.Field(nullable=True, isin=PRECISIONS, description="how exact knowledge_cutoff is")
    context_tokens: Series[pd.Int64Dtype] = pa.Field(
        in_range={"min_value": 1, "max_value": MOST_TOKENS},
        nullable=True,
        coerce=True,
        description="longest prompt plus answer, in tokens; null when unpublished",
    )
    max_input_tokens: Series[pd.Int64Dtype] = pa.Field(
        in_range={"min_value": 1, "max_value": MOST_TOKENS},
        nullable=True,
        coerce=True,
        description="longest prompt, in tokens; null when unpublished",
    )
    max_output_tokens: Series[pd.Int64Dtype] = pa.Field(
        in_range={"min_value": 1, "max_value": MOST_TOKENS},
        nullable=True,
        coerce=True,
        description="longest answer, in tokens; null when unpublished",
    )
    input_modalities: Series[object] = pa.Field(
        description="what a prompt may hold: text, image, audio, video, pdf, file; empty when unpublished"
    )
    output_modalities: Series[object] = pa.Field(description="what an answer may hold; empty when unpublished")
    capabilities: Series[object] = pa.Field(description="what the source says it can: tool_call, reasoning, structured_output, ...")
    open_weights: Series[pd.BooleanDtype] = pa.Field(
        nullable=True, coerce=True, description="whether the weights can be had; null when unsaid"
    )
    license: Series[str] = pa.Field(nullable=True, description="the licence's name, where the source says it")
    lifecycle: Series[str] = pa.Field(
        nullable=True, isin=LIFECYCLES, description="alpha, beta, stable, deprecated or retired; null when unsaid"
    )
    retires_on: Series[object] = pa.Field(nullable=True, description="the announced day of its end")
    replaced_by: Series[str] = pa.Field(nullable=True, description="the id the source names as successor")
    hugging_face_id: Series[str] = pa.Field(nullable=True, description="where its weights are on Hugging Face")
    canonical_hint: Series[str] = pa.Field(nullable=True, description="the permanent id the source gives it")
    docs_url: Series[str] = pa.Field(nullable=True, str_matches=r"^https?://", description="where the source points to for documentation")
    extra: Series[str] = pa.Field(description="all else the source says of it, as JSON")


class PriceRows(ListedRows):
    """A price says what it is for, in which state it is, and how much: above zero when paid, zero when free, no amount otherwise."""

    meter: Series[str] = pa.Field(isin=list(METERS), description="what is counted; catalog.meter has the unit of each")
    service_tier: Series[str] = pa.Field(
        str_length={"min_value": 1, "max_value": 40}, description="standard, batch, flex, priority, fast, ..."
    )
    prompt_above_tokens: Series[int] = pa.Field(
        in_range={"min_value": 0, "max_value": MOST_TOKENS},
        coerce=True,
        description="holds for prompts longer than this; crossing it reprices the whole request",
    )
    time_window: Series[str] = pa.Field(
        str_matches=r"^$|^\d\d:\d\d-\d\d:\d\d [\w/+-]+( on (mon|tue|wed|thu|fri|sat|sun)(,(mon|tue|wed|thu|fri|sat|sun))* [\w/+-]+)?$",
        description="holds in this window of the day, as `HH:MM-HH:MM ZONE[ on DAYS ZONE]`; empty: always",
    )
    region: Series[str] = pa.Field(description="holds in this region; empty: where the source names none")
    detail: Series[str] = pa.Field(description="size, quality or resolution it holds for; empty: any")
    currency: Series[str] = pa.Field(str_matches=r"^[A-Z]{3}$", description="USD, or a provider's own unit such as DBU")
    effective_from: Series[object] = pa.Field(
        nullable=True, description="from when the source says it holds (inclusive); null when it does not say"
    )
    state: Series[str] = pa.Field(
        isin=STATES, description="paid, free (confirmed 0), unknown (not stated), dynamic (a router), included (a plan)"
    )
    amount: Series[object] = pa.Field(
        nullable=True, description="exact decimal, in `currency` per the meter's unit; null unless paid or free"
    )
    effective_to: Series[object] = pa.Field(nullable=True, description="until when the source says it holds (exclusive)")

    @pa.dataframe_check(name="amount_fits_state")
    def amount_fits_state(cls, rows: pd.DataFrame) -> pd.Series:
        """Paid is above zero, free is zero, and the rest have no amount."""
        return pd.Series(
            [
                (amount is not None and amount.is_finite() and amount > 0)
                if state == "paid"
                else (amount == 0 if state == "free" else amount is None)
                for state, amount in zip(rows["state"], rows["amount"], strict=True)
            ],
            index=rows.index,
            dtype=bool,
        )

    @pa.dataframe_check(name="ends_after_it_starts")
    def ends_after_it_starts(cls, rows: pd.DataFrame) -> pd.Series:
        """A stated end lies after a stated start."""
        return pd.Series(
            [start is None or end is None or start < end for start, end in zip(rows["effective_from"], rows["effective_to"], strict=True)],
            index=rows.index,
            dtype=bool,
        )


#: units that have a least (0) and a most
_MOST = {"pct": Decimal(100), "fraction": Decimal(1)}


class ScoreRows(Rows):
    """A score is a finite number in a known unit, of a named model in a named benchmark."""

    benchmark: Series[str] = pa.Field(str_length={"min_value": 1, "max_value": NAME_LIMIT}, description="which benchmark, in our spelling")
    model: Series[str] = pa.Field(description="the model as the source spells it, letter for letter")
    version: Series[str] = pa.Field(description="the benchmark's release, such as that of its questions; empty where it has none")
    split: Series[str] = pa.Field(description="the part of the benchmark; empty: all of it")
    metric: Series[str] = pa.Field(
        str_length={"min_value": 1, "max_value": NAME_LIMIT}, description="what was measured: pass_rate_2, rating, ..."
    )
    harness: Series[str] = pa.Field(description="what drove the model: an agent, an edit format; empty where the source names none")
    effort: Series[str] = pa.Field(description="how long the model was let think: high, 32k, ...; empty where unsaid")
    variant: Series[str] = pa.Field(description="any other mode of the model: FC, Prompt, thinking; empty where there is none")
    runner: Series[str] = pa.Field(description="who ran it: the benchmark's makers, the model's author, a third party; empty where unsaid")
    run: Series[str] = pa.Field(description="the source's name for this run, where it may list several of one kind; else empty")
    value: Series[object] = pa.Field(description="the score, an exact decimal in `unit`")
    unit: Series[str] = pa.Field(isin=UNITS, description="pct (0 to 100), fraction (0 to 1), elo, index, score, usd, seconds, ...")
    lower: Series[object] = pa.Field(nullable=True, description="lower end of the interval the source states")
    upper: Series[object] = pa.Field(nullable=True, description="upper end of the interval the source states")
    measured_on: Series[object] = pa.Field(
        nullable=True, description="first day of the period in which it was run, where the source says so"
    )
    measured_on_precision: Series[str] = pa.Field(
        nullable=True, isin=PRECISIONS, description="how exact measured_on is: year, month or day"
    )
    url: Series[str] = pa.Field(nullable=True, str_matches=r"^https?://", description="where the source points to for this score")
    extra: Series[str] = pa.Field(description="all else the source says of the run, as JSON")

    @pa.check("benchmark", "model", name="is_an_id")
    def is_an_id(cls, ids: pd.Series) -> pd.Series:
        """No control or direction characters, no more than 512 characters."""
        return ids.map({found: id_problem(found) is None for found in ids.unique()}).astype(bool)

    @pa.dataframe_check(name="values_are_numbers")
    def values_are_numbers(cls, rows: pd.DataFrame) -> pd.Series:
        """The score and the ends of its interval are finite; a percentage lies within 0 to 100, a fraction within 0 to 1."""
        return pd.Series(
            [
                all(end is None or end.is_finite() for end in (value, lower, upper)) and (unit not in _MOST or 0 <= value <= _MOST[unit])
                for value, lower, upper, unit in zip(rows["value"], rows["lower"], rows["upper"], rows["unit"], strict=True)
            ],
            index=rows.index,
            dtype=bool,
        )


class MentionRows(Rows):
    """A mention says where it was found and what kind it is; its words are untrusted text."""

    feed: Series[str] = pa.Field(str_length={"min_value": 1, "max_value": NAME_LIMIT}, description="the feed it was found in")
    item: Series[str] = pa.Field(description="the feed's own id of the item")
    kind: Series[str] = pa.Field(isin=MENTION_KINDS, description="news, discussion or job")
    title: Series[str] = pa.Field(nullable=True, description="its headline, as it came: untrusted text")
    url: Series[str] = pa.Field(nullable=True, str_matches=r"^https?://", description="where it can be read")
    author: Series[str] = pa.Field(nullable=True, description="who wrote it, as the feed says")
    published_at: Series[object] = pa.Field(nullable=True, description="when it was published, as the feed says")
    text: Series[str] = pa.Field(nullable=True, description="its words, as they came: untrusted, perhaps HTML")
    extra: Series[str] = pa.Field(description="all else the feed says of it, as JSON")

    @pa.check("feed", "item", name="is_an_id")
    def is_an_id(cls, ids: pd.Series) -> pd.Series:
        """No control or direction characters, no more than 512 characters."""
        return ids.map({found: id_problem(found) is None for found in ids.unique()}).astype(bool)


CONTRACTS: dict[str, type[Rows]] = {"listing": ListingRows, "price": PriceRows, "score": ScoreRows, "mention": MentionRows}


@cache
def schema(relation: Relation) -> pa.DataFrameSchema:
    """The contract of a relation as pandera's schema."""
    return CONTRACTS[relation.name].to_schema()


def frame(relation: Relation, rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a frame whose text columns are pandas' strings; dates, lists and amounts stay the Python objects they are."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(relation.columns)
    contract = schema(relation)
    series = {}
    for name, values in zip(relation.columns, columns, strict=True):
        kind = str(contract.columns[name].dtype)
        series[name] = pd.Series(list(values), dtype="object" if kind == "object" or kind.startswith(("Int", "boolean", "int")) else "str")
    return pd.DataFrame(series)


def broken_rows(relation: Relation, rows: Sequence[Row]) -> dict[int, str]:
    """{index: reason} of the rows that break their contract; empty where all keep it."""
    if not rows:
        return {}
    found = frame(relation, rows)
    if _keeps(schema(relation), found):
        return {}
    try:
        CONTRACTS[relation.name].validate(found, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return _reasons(relation, rows, errors.failure_cases)
    return {}


def _keeps(contract: pa.DataFrameSchema, found: pd.DataFrame) -> bool:
    """Whether every row keeps the contract: the same checks, asked directly. Naming the failures, as `validate` does, takes ten times as
    long, and a night with a hundred changed rows has none to name."""
    for name, column in contract.columns.items():
        if not column.nullable and found[name].isna().any():
            return False
        if not all(check(found[name]).check_passed for check in column.checks):
            return False
    return all(check(found).check_passed for check in contract.checks)


def _reasons(relation: Relation, rows: Sequence[Row], failures: pd.DataFrame) -> dict[int, str]:
    reasons: dict[int, list[str]] = {}
    for column, check, case, index in zip(failures["column"], failures["check"], failures["failure_case"], failures["index"], strict=True):
        for row in range(len(rows)) if index is None or pd.isna(index) else [int(index)]:
            where = column if column in relation.columns else check
            said = f"{where}: {str(case)[:60]!r} breaks {str(check).split('(')[0]}" if column in relation.columns else str(check)
            if said not in reasons.setdefault(row, []):
                reasons[row].append(said)
    return {row: "; ".join(said[:3]) for row, said in reasons.items()}


def describe(relation: Relation) -> dict[str, str]:
    """column -> what it means and in which unit: for the database's comments and the UI."""
    columns = schema(relation).columns
    return {name: str(columns[name].description or "") for name in relation.columns}
