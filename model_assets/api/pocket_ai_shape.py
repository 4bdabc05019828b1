"""What Pocket AI is told: the SQL over Hugging Face's repositories and their versions, and the shapes of both."""

import re
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from model_assets.api.asking import rows, utc
from model_assets.api.assets import assets
from model_assets.api.errors import not_found

#: what is linked to a model that nobody but admins sees is theirs alone as well
HIDDEN = """
listing.key_id not in (
    select link.key_id
    from access.model_access as access
    join history.link as link on link.model = access.model_id and link.source = 'huggingface' and upper_inf(link.seen)
    where access.decided_status <> 'active'
)
"""
LISTED = "history.listing as listing where listing.source = 'huggingface' and upper(listing.seen) is null"
FILTERS = {
    "task": "listing.extra ->> 'task' = :task",
    "licence_class": "listing.extra ->> 'licence_class' = :licence_class",
    "library": "lower(listing.extra ->> 'library') = lower(:library)",
    "author": "listing.author = :author",
    "search": "position(lower(:search) in lower(concat_ws(' ', listing.listed_id, listing.description, listing.extra ->> 'tags'))) > 0",
    # of what is not known nobody can say that it is small enough
    "max_size_bytes": "(listing.extra #>> '{weights,bytes}')::bigint <= :max_size_bytes",
}
MODEL = f"""
select
    found.hugging_face_id as id, found.attributed_to as author_id, found.name, found.hugging_face_id as hf_model_id, found.author,
    coalesce(found.description, '') as description, found.tags, found.task, found.task_source, found.license, found.licence_class,
    found.is_commercial_safe, found.requires_commercial_warning, found.library, found.gated, found.open_weights, found.sha,
    found.weights_bytes as file_size_bytes, found.downloads as total_download_count, found.likes,
    coalesce(found.repository_created_at, {utc("found.seen_since")}) as created_at, {utc("found.seen_since")} as seen_since,
    (select count(*) from catalog.model_version as version where version.hugging_face_id = found.hugging_face_id) as version_count
from (select listing.listed_id from {{listed}} order by listing.listed_id limit :limit offset :skip) as page
cross join lateral (
    select hf.* from catalog.hugging_face_model as hf where hf.hugging_face_id = page.listed_id offset 0
) as found
order by found.hugging_face_id
"""
VERSIONS = f"""
select version.version, version.last_sha, version.unconfirmed, version.weight_bytes, {utc("version.first_seen_at")} as published_at,
       {utc("version.last_seen_until")} as last_seen_until, version.weights_digest, held.files,
       held.license, held.licence_class
from catalog.model_version as version
left join lateral (
    select listing.license, listing.extra ->> 'licence_class' as licence_class,
           coalesce(array(select jsonb_array_elements_text(listing.extra -> 'files')), '{{}}') as files
    from history.listing as listing
    where listing.source = 'huggingface' and listing.provider = 'huggingface' and listing.listed_id = version.hugging_face_id
        and listing.extra ->> 'sha' = version.last_sha
    order by lower(listing.seen) desc
    limit 1
) as held on true
where version.hugging_face_id = :id
order by version.version
"""


class PocketModel(BaseModel):
    """A repository. Its text and tags are what others published: untrusted."""

    id: str = Field(description="its id at Hugging Face", examples=["litert-community/Gemma3-1B-IT"])
    hf_model_id: str
    slug: str = Field(examples=["litert-community-gemma3-1b-it"])
    author_id: str = Field(description="who added it here: a system user", examples=["hf_sync_system"])
    name: str | None
    author: str | None
    description: str
    category: str = Field(examples=["utility"])
    tags: list[str]
    task: str | None = Field(examples=["text-generation"])
    task_source: str | None = Field(description="stated by the author, or inferred: from tags, config or id")
    license: str | None
    licence_class: str | None
    is_commercial_safe: bool
    requires_commercial_warning: bool = Field(description="also where the licence is not known")
    library: str | None
    gated: str | None
    open_weights: bool | None
    sha: str | None
    file_size_bytes: int | None = Field(description="of the weights; null: not known yet")
    total_download_count: int | None = Field(description="in the last 30 days, as Hugging Face counts")
    likes: int | None
    created_at: str | None
    seen_since: str
    is_public: bool
    version_count: int = Field(description="versions of the weights that were seen; those of users are not among them")


class PocketVersion(BaseModel):
    """A version of a model's weights: one that was seen at Hugging Face, or one that a user added."""

    id: str = Field(description="the revision; of a user's version a number")
    model_id: str
    version_name: str
    origin: Literal["synced", "user"]
    author_id: str = Field(description="hf_sync_system, or the user who added it: by another name for others than they and admins")
    status: Literal["unsupported", "pending", "supported"] | None = Field(description="as an admin judged it; null of what was synced")
    commit_sha: str | None
    assets: dict[str, str] = Field(description="the address of one file of each kind, at that very revision")
    asset_files: dict[str, list[str]] = Field(description="the addresses of all of them")
    license_type: str | None
    is_commercial_safe: bool | None
    requires_commercial_warning: bool | None
    file_size_bytes: int | None
    changelog: str | None
    url: str | None = Field(description="of a user's version: what the user said")
    sha256: str | None
    unconfirmed: bool = Field(description="whether the contents of the weight files are not known yet")
    published_at: str


def listed_for(tier: str, given: dict[str, Any]) -> str:
    """The rows of history.listing that are meant, of those that a tier sees."""
    return " and ".join([LISTED, *(FILTERS[name] for name in given), *([] if tier == "admin" else [HIDDEN])])


def one_model(connection: Connection, tier: str, model_id: str) -> dict[str, Any]:
    """One repository. Raises Problem: 404 where it is not there, or not for the tier."""
    listed = f"{listed_for(tier, {})} and listing.listed_id = :id"
    found = rows(connection, MODEL.replace("{listed}", listed), {"id": model_id, "skip": 0, "limit": 1})
    if not found:
        raise not_found("repository", model_id)
    return found[0]


def model_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row of MODEL as a PocketModel."""
    slug = re.sub("[^a-z0-9]+", "-", row["id"].lower()).strip("-")
    return {**row, "slug": slug, "category": "utility", "is_public": True}


def synced_version(model: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """A row of VERSIONS as a PocketVersion."""
    sha, classed = row["last_sha"], row["licence_class"]
    found = assets(model["id"], sha, row["files"] or [])
    return {
        "id": sha or f"v{row['version']}",
        "model_id": model["id"],
        "version_name": sha[:7] if sha else f"v{row['version']}",
        "origin": "synced",
        "author_id": model["author_id"],
        "status": None,
        "commit_sha": sha,
        "assets": {kind: files[0] for kind, files in found.items()},
        "asset_files": found,
        "license_type": row["license"],
        "is_commercial_safe": classed == "safe",
        "requires_commercial_warning": classed != "safe",
        "file_size_bytes": row["weight_bytes"],
        "changelog": None,
        "url": None,
        "sha256": None,
        "unconfirmed": row["unconfirmed"],
        "published_at": row["published_at"],
    }


def users_version(model_id: str, row: dict[str, Any]) -> dict[str, Any]:
    """A user's version: nothing that is said of it was looked at, its licence least of all."""
    return {
        "id": str(row["version_id"]),
        "model_id": model_id,
        "version_name": row["version"],
        "origin": "user",
        "author_id": row["user_id"],
        "status": row["status"],
        "commit_sha": None,
        "assets": {},
        "asset_files": {},
        "license_type": None,
        "is_commercial_safe": None,
        "requires_commercial_warning": None,
        "file_size_bytes": None,
        "changelog": row["changelog"],
        "url": row["url"],
        "sha256": row["sha256"],
        "unconfirmed": True,
        "published_at": row["created_at"],
    }
