"""Triggers that keep the counts of devices, and indexes over the texts of identities and of inventories.

The counts must be right whoever changes a row, also a bulk UPDATE; so the database keeps them: of the whole fleet, and
of each shelf, a stretch of ids that is parted when it holds too many. On PostgreSQL one trigger per statement adds up
what it changed and locks the counts in one order, so that two of them never wait for each other; who holds these locks
also has the shelves alone. The search indexes are of trigrams: FTS5 beside the table on SQLite, pg_trgm on PostgreSQL.
They stand on the introduction and the inventory, whose texts rarely change, and not on the device, whose status does.
"""

from django.db import migrations

TABS = ("pending", "accepted", "rejected", "preauthorized", "denied")
FULL, PARTED = 2048, 1024

_TAB = "CASE WHEN denied_at IS NULL THEN status ELSE 'denied' END"
NEW, OLD = (f"CASE WHEN {row}.denied_at IS NULL THEN {row}.status ELSE 'denied' END" for row in ("NEW", "OLD"))

_ON_SHELF = " + ".join(f"NEW.{tab}" for tab in TABS)
# `~` sorts behind every character of an id. A shelf is parted evenly: its own row keeps the first part.
_PART_SHELF = f"""
    INSERT INTO devices_deviceshelf (first, {", ".join(TABS)})
    SELECT CASE WHEN part = 1 THEN NEW.first ELSE min(id) END,
        {", ".join(f"count(*) FILTER (WHERE tab = '{tab}')" for tab in TABS)}
    FROM (
        SELECT id, {_TAB} AS tab, ntile(CAST(({_ON_SHELF}) / {PARTED} AS integer)) OVER (ORDER BY id) AS part
        FROM devices_device WHERE id >= NEW.first
        AND id < coalesce((SELECT min(first) FROM devices_deviceshelf WHERE first > NEW.first), '~')
    ) AS placed GROUP BY part
    ON CONFLICT (first) DO UPDATE SET {", ".join(f"{tab} = excluded.{tab}" for tab in TABS)};
"""


def _shelve(row: str, change: str) -> str:
    changes = ", ".join(f"{tab} = {tab} {change.format(tab=tab)}" for tab in TABS)
    return f"""UPDATE devices_deviceshelf SET {changes}
        WHERE first = (SELECT max(first) FROM devices_deviceshelf WHERE first <= {row}.id);"""


def _searched(table: str, index: str) -> list[str]:
    out = f"INSERT INTO {index}({index}, rowid, text) VALUES ('delete', OLD.id, OLD.text);"
    into = f"INSERT INTO {index}(rowid, text) VALUES (NEW.id, NEW.text);"
    return [
        f"""CREATE VIRTUAL TABLE {index} USING fts5(
            text, content='{table}', content_rowid='id', tokenize='trigram', columnsize=0
        )""",
        f"CREATE TRIGGER {table}_found_in AFTER INSERT ON {table} BEGIN {into} END",
        f"CREATE TRIGGER {table}_found_out AFTER DELETE ON {table} BEGIN {out} END",
        f"""CREATE TRIGGER {table}_found_on AFTER UPDATE OF text ON {table} WHEN NEW.text <> OLD.text
            BEGIN {out} {into} END""",
    ]


SQLITE = [
    f"""CREATE TRIGGER device_counted_in AFTER INSERT ON devices_device BEGIN
        UPDATE devices_devicecount SET number = number + 1 WHERE tab = {NEW};
        {_shelve("NEW", f"+ (({NEW}) = '{{tab}}')")}
    END""",
    f"""CREATE TRIGGER device_counted_out AFTER DELETE ON devices_device BEGIN
        UPDATE devices_devicecount SET number = number - 1 WHERE tab = {OLD};
        {_shelve("OLD", f"- (({OLD}) = '{{tab}}')")}
    END""",
    f"""CREATE TRIGGER device_counted_on AFTER UPDATE OF status, denied_at ON devices_device WHEN {NEW} <> {OLD} BEGIN
        UPDATE devices_devicecount SET number = number - 1 WHERE tab = {OLD};
        UPDATE devices_devicecount SET number = number + 1 WHERE tab = {NEW};
        {_shelve("NEW", f"+ (({NEW}) = '{{tab}}') - (({OLD}) = '{{tab}}')")}
    END""",
    f"""CREATE TRIGGER device_shelf_full AFTER UPDATE ON devices_deviceshelf WHEN {_ON_SHELF} > {FULL} BEGIN
        {_PART_SHELF}
    END""",
    *_searched("devices_introduction", "devices_search"),
    *_searched("devices_inventory", "devices_inventory_search"),
]

_ADD = f"""
    PERFORM 1 FROM devices_devicecount ORDER BY tab FOR UPDATE;
    UPDATE devices_devicecount AS kept SET number = kept.number + changed.number
    FROM (SELECT tab, sum(number) AS number FROM ({{rows}}) AS moved GROUP BY tab HAVING sum(number) <> 0) AS changed
    WHERE kept.tab = changed.tab;
    UPDATE devices_deviceshelf AS kept SET {", ".join(f"{tab} = kept.{tab} + changed.{tab}" for tab in TABS)}
    FROM (
        SELECT shelf, {", ".join(f"coalesce(sum(number) FILTER (WHERE tab = '{tab}'), 0) AS {tab}" for tab in TABS)}
        FROM (
            SELECT tab, number, (SELECT max(first) FROM devices_deviceshelf WHERE first <= moved.id) AS shelf
            FROM ({{rows}}) AS moved
        ) AS shelved GROUP BY shelf
    ) AS changed
    WHERE kept.first = changed.shelf;
    RETURN NULL;
"""
_PLUS = f"SELECT id, {_TAB} AS tab, 1 AS number FROM arrived"
_MINUS = f"SELECT id, {_TAB} AS tab, -1 AS number FROM left_over"


def _function(name: str, rows: str, *, changes: str = "true") -> str:
    return f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NOT ({changes}) THEN RETURN NULL; END IF;
        {_ADD.format(rows=rows)}
    END $$"""


_MOVED = """EXISTS (
    SELECT 1 FROM arrived JOIN left_over USING (id)
    WHERE arrived.status <> left_over.status OR (arrived.denied_at IS NULL) <> (left_over.denied_at IS NULL)
)"""

POSTGRESQL = [
    _function("device_counted_in", _PLUS),
    _function("device_counted_out", _MINUS),
    _function("device_counted_on", f"{_PLUS} UNION ALL {_MINUS}", changes=_MOVED),
    """CREATE TRIGGER device_counted_in AFTER INSERT ON devices_device
        REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION device_counted_in()""",
    """CREATE TRIGGER device_counted_out AFTER DELETE ON devices_device
        REFERENCING OLD TABLE AS left_over FOR EACH STATEMENT EXECUTE FUNCTION device_counted_out()""",
    """CREATE TRIGGER device_counted_on AFTER UPDATE ON devices_device
        REFERENCING OLD TABLE AS left_over NEW TABLE AS arrived
        FOR EACH STATEMENT EXECUTE FUNCTION device_counted_on()""",
    f"""CREATE FUNCTION device_shelf_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        {_PART_SHELF}
        RETURN NULL;
    END $$""",
    f"""CREATE TRIGGER device_shelf_full AFTER UPDATE ON devices_deviceshelf
        FOR EACH ROW WHEN ({_ON_SHELF} > {FULL}) EXECUTE FUNCTION device_shelf_full()""",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX introduction_by_trigram ON devices_introduction USING gin (text gin_trgm_ops)",
    "CREATE INDEX inventory_by_trigram ON devices_inventory USING gin (text gin_trgm_ops)",
]


def build(apps, schema_editor):
    count = apps.get_model("devices", "DeviceCount")
    count.objects.bulk_create([count(tab=tab) for tab in TABS], ignore_conflicts=True)
    apps.get_model("devices", "DeviceShelf").objects.get_or_create(first="")
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_initial")]

    operations = [migrations.RunPython(build, migrations.RunPython.noop)]
