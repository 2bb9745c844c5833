"""The role and the database of an installation, made by a superuser where an operator has not made them."""

import asyncpg


async def provision(connection: asyncpg.Connection, role: str, verifier: str, database: str) -> None:
    """Make `role`, who signs in with the password of `verifier` (RFC 5803), and `database`, which is his; idempotent.

    The role has no further powers. `connection` must belong to a superuser and be in no transaction.
    """
    if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", role):
        make_role = "select format('create role %I login password %L', $1::text, $2::text)"
        await connection.execute(await connection.fetchval(make_role, role, verifier))
    if not await connection.fetchval("select exists (select from pg_database where datname = $1)", database):
        make_database = "select format('create database %I owner %I', $1::text, $2::text)"
        await connection.execute(await connection.fetchval(make_database, database, role), timeout=60)
