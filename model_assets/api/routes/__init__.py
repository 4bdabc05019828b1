"""The routes, a file per group. Each has one APIRouter."""

from fastapi import APIRouter

from model_assets.api.routes import (
    admin_audit,
    admin_held,
    admin_identity,
    admin_logs,
    admin_model_access,
    admin_models,
    admin_policy,
    admin_users,
    catalogue,
    changes,
    compare,
    cost,
    disputes,
    follows,
    health,
    model,
    model_lens,
    openrouter,
    pocket_ai,
    popular,
    providers,
    resolve,
    start_status,
    starts,
    unique,
    webhooks,
)

ROUTERS: list[APIRouter] = [
    # asked for most, so tried first
    catalogue.router, health.router,
    # before the addresses that take any id
    popular.router, follows.router, unique.router, pocket_ai.router, model_lens.router, openrouter.router,
    compare.router, model.router,
    changes.router, webhooks.router, providers.router, disputes.router, cost.router, resolve.router, start_status.router, starts.router,
    admin_models.router, admin_model_access.router, admin_logs.router, admin_held.router, admin_identity.router, admin_policy.router,
    admin_audit.router, admin_users.router,
]  # fmt: skip
