"""A fleet of any size, made by the database in seconds: rows as devices leave them, with all counts and indexes."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection

from devices.models import Status
from tests.bench.installation import scratch

_TABLES = ("devices_device", "devices_introduction", "devices_inventory")
STATUSES = [*Status.values, "denied"]
_NUMBERS = {
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < {count})"
    " SELECT n, hex256('device ' || n) AS id, hex256('key ' || n) AS fingerprint, n * 7919 % 100 AS dice FROM series",
    "postgresql": "SELECT n, encode(sha256(('device ' || n)::bytea), 'hex') AS id,"
    " encode(sha256(('key ' || n)::bytea), 'hex') AS fingerprint, n::bigint * 7919 % 100 AS dice"
    " FROM generate_series(0, {count} - 1) AS series(n)",
}
_MOMENT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', {seconds}, 'unixepoch')",
    "postgresql": "to_timestamp({seconds})",
}
# 90 % accepted, 5 % pending, 3 % rejected, 1 % preauthorized, 1 % denied.
_DEVICES = """
    INSERT INTO devices_device (id, status, identity_digest, fingerprint, request_time, last_seen, revision, epoch,
        denials, decided_by, denied_at, denied_by, denied_reason)
    SELECT id, CASE WHEN dice < 91 THEN 'accepted' WHEN dice < 96 THEN 'pending' WHEN dice < 99 THEN 'rejected'
        ELSE 'preauthorized' END, id, fingerprint, {requested}, {seen}, 1, 1,
        CASE WHEN dice = 0 THEN 1 ELSE 0 END, '', CASE WHEN dice = 0 THEN {requested} END,
        CASE WHEN dice = 0 THEN 'ada' ELSE '' END, ''
    FROM made ORDER BY n
"""
_INTRODUCTIONS = """
    INSERT INTO devices_introduction (device_id, text, members, key, ca)
    SELECT id, {text}, {members}, '-----BEGIN PUBLIC KEY-----' || fingerprint || '-----END PUBLIC KEY-----', ''
    FROM made ORDER BY n
"""
_MAC = " || ':' || ".join(f"substr(id, {at}, 2)" for at in range(1, 11, 2))
TEXT = f"""'{{"mac":"02:' || {_MAC} || '","serial":"GH' || substr(CAST(100000000 + n AS text), 2) || '"}}'"""
# Every tenth device has reported two attributes.
_ADDRESS = " || '.' || ".join(f"(n / {step} % 256)" for step in (65536, 256, 1))
_REPORT = f"""'{{"kernel":"6.6.' || dice || '","ipv4_eth0":"10.' || {_ADDRESS} || '"}}'"""
_INVENTORIES = f"""
    INSERT INTO devices_inventory (device_id, attributes, text, reported_at)
    SELECT id, {{attributes}}, 'kernel=6.6.' || dice || ' ipv4_eth0=10.' || {_ADDRESS}, {{requested}}
    FROM made WHERE n % 10 = 0 ORDER BY n
"""
_TAB = "CASE WHEN denied_at IS NULL THEN status ELSE 'denied' END"
_COUNTS = [
    f"UPDATE devices_devicecount SET number = (SELECT count(*) FROM devices_device WHERE {_TAB} = tab)",
    # The first shelf is far too full then, so its trigger parts it.
    "UPDATE devices_deviceshelf SET "
    + ", ".join(f"{tab} = (SELECT number FROM devices_devicecount WHERE tab = '{tab}')" for tab in STATUSES),
]


@contextmanager
def database(name: str) -> Iterator[None]:
    """An empty database of its own beside the present one, in use until left; SQLite's is gone afterwards."""
    before = connection.settings_dict["NAME"]
    if connection.vendor == "postgresql":
        run([f"CREATE DATABASE {name}"])
        use(name)
        call_command("migrate", verbosity=0)
        yield
        use(before)
        run([f"DROP DATABASE {name}"])
        return
    with scratch() as folder:
        use(folder / f"{name}.sqlite3")
        call_command("migrate", verbosity=0)
        yield
        use(before)


def use(name: Any) -> None:
    """Go over to another database of the same kind."""
    connection.close()
    connection.settings_dict["NAME"] = name


def fill(count: int) -> None:
    """Put so many devices into the empty tables. Indexes and triggers are put back once the rows are there."""
    moment = _MOMENT[connection.vendor].format
    requested, seen = moment(seconds="1700000000 + n % 31000000"), moment(seconds="1762000000 + n % 3000000")
    json = "{}" if connection.vendor == "sqlite" else "({})::jsonb"
    rows = [
        f"CREATE TEMPORARY TABLE made AS {_NUMBERS[connection.vendor].format(count=count)}",
        _DEVICES.format(requested=requested, seen=seen),
        _INTRODUCTIONS.format(text=TEXT, members=json.format(TEXT)),
        _INVENTORIES.format(attributes=json.format(_REPORT), requested=requested),
    ]
    if connection.vendor == "sqlite":
        _fill_sqlite(rows)
    else:
        _fill_postgresql(rows)


def _fill_sqlite(rows: list[str]) -> None:
    connection.ensure_connection()
    connection.connection.create_function("hex256", 1, lambda text: hashlib.sha256(text.encode()).hexdigest())
    run(["PRAGMA synchronous = off", "PRAGMA cache_size = -500000", "BEGIN IMMEDIATE"])
    aside = run(
        [f"SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN {_TABLES}"
         " AND sql IS NOT NULL AND type IN ('index', 'trigger')"]
    )  # fmt: skip
    run(f"DROP {kind} {name}" for kind, name, _ in aside)
    run([*rows, *(sql for kind, _, sql in aside if kind == "index")])
    run(f"INSERT INTO {index}({index}) VALUES ('rebuild')" for index in ("devices_search", "devices_inventory_search"))
    run([*(sql for kind, _, sql in aside if kind == "trigger"), *_COUNTS, "COMMIT", "ANALYZE"])
    connection.close()  # The next one has the usual cache.


def _fill_postgresql(rows: list[str]) -> None:
    run(["SET maintenance_work_mem = '512MB'", "SET session_replication_role = replica"])  # No trigger fires.
    aside = run(
        [f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN {_TABLES}"
         " AND indexdef NOT LIKE 'CREATE UNIQUE%'"]
    )  # fmt: skip
    run(f"DROP INDEX {name}" for name, _ in aside)
    run([*rows, *(sql for _, sql in aside)])
    run(["SET session_replication_role = origin", *_COUNTS])
    run(f"VACUUM ANALYZE {table}" for table in (*_TABLES, "devices_deviceshelf"))
    connection.close()


def run(statements: Any) -> list[Any]:
    """Execute each; the rows of the last one that has any."""
    found: list[Any] = []
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else found
    return found
