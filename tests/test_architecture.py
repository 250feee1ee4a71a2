"""The shape of the code: who may import whom, and where rows may change."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT: dict[str, set[str]] = {
    "portal": set(),
    "devices": {"portal"},
    "tokens": {"portal", "devices"},
    "gateway": {"portal", "devices", "tokens"},
}
FACES = {
    "account.py", "apps_forms.py", "apps_pages.py", "apps_rest.py", "apps_serializers.py", "audit_pages.py",
    "authentication.py", "bulk_pages.py", "bulk_rest.py", "certificate_forms.py", "certificate_pages.py",
    "certificates_rest.py", "certificates_serializers.py", "certsips_rest.py", "control_plane.py",
    "credential_forms.py", "credential_pages.py", "credentials_rest.py", "credentials_serializers.py",
    "device_ca_pages.py", "door_pages.py", "expiry_pages.py", "forms.py", "gateway_tokens_rest.py", "held_rest.py",
    "held_serializers.py", "holder_pages.py", "installation_pages.py", "installations_rest.py",
    "installations_serializers.py", "keychange_rest.py", "login.py", "node_pages.py", "nodes_rest.py",
    "nodes_serializers.py", "overview.py", "pages.py", "people_forms.py", "people_pages.py",
    "preauthorisation_forms.py", "preauthorisation_pages.py", "rest.py", "route_forms.py", "route_pages.py",
    "route_try_pages.py", "routes_rest.py", "routes_serializers.py", "rules_forms.py", "rules_pages.py",
    "rules_rest.py", "rules_serializers.py", "second_factor_forms.py", "second_factor_login.py",
    "second_factor_pages.py", "serializers.py", "shutdown_forms.py", "shutdown_order_pages.py", "shutdown_pages.py",
    "shutdown_rest.py", "shutdown_serializers.py", "signing_key_pages.py", "stored_forms.py", "stored_pages.py",
    "stored_rest.py", "stored_serializers.py", "tenant_forms.py", "tenant_pages.py", "tenants_rest.py",
    "tenants_serializers.py", "traffic_rest.py", "webhook_forms.py", "webhook_pages.py", "webhook_rest.py",
    "webhook_serializers.py",
}  # fmt: skip
FACE_FOLDERS = {"commands", "dialects"}
WRITES = {
    "save", "create", "update", "delete", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "execute",
    "executemany", "raw",
}  # fmt: skip


def modules() -> list[Path]:
    return [path for app in MAY_IMPORT for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]


def is_face(path: Path) -> bool:
    return path.name in FACES or bool(FACE_FOLDERS & set(path.relative_to(ROOT).parts[:-1]))


every_module = pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
every_face = pytest.mark.parametrize(
    "path", [path for path in modules() if is_face(path)], ids=lambda path: str(path.relative_to(ROOT))
)
every_rule = pytest.mark.parametrize(
    "path",
    [
        path
        for path in modules()
        if not is_face(path)
        and path.relative_to(ROOT).parts[0] != "portal"
        # Addresses lead to faces, and an app loads what it registers.
        and "urls" not in path.name
        and path.name != "apps.py"
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)


def imports(tree: ast.AST) -> Iterator[str]:
    """The full dotted names of what is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def lines_of_calls(tree: ast.AST, module: str, name: str) -> Iterator[int]:
    """Where a function of a module is called, as `module.name(...)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{module}.{name}":
            yield node.lineno


@every_module
def test_an_app_imports_only_the_apps_it_may(path: Path) -> None:
    app = path.relative_to(ROOT).parts[0]
    imported = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}
    assert imported & set(MAY_IMPORT) <= MAY_IMPORT[app] | {app}
    assert "tests" not in imported


@every_module
def test_every_import_is_absolute(path: Path) -> None:
    relative = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom) and n.level]
    assert not relative


@every_module
def test_every_import_stands_at_the_top(path: Path) -> None:
    inside = [
        f"{path.name}:{inner.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not (path.name == "apps.py" and node.name == "ready")
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert not inside


@every_module
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert path.read_text() == "" or ast.get_docstring(ast.parse(path.read_text()))


@every_module
def test_what_others_hear_of_is_put_down_behind_the_audit_row(path: Path) -> None:
    """From the audit row on no other change commits, so the outbox is numbered in the order of the commits."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            recorded = [*lines_of_calls(function, "audit", "record"), *lines_of_calls(function, "audit", "record_all")]
            put = [*lines_of_calls(function, "outbox", "put"), *lines_of_calls(function, "outbox", "put_all")]
            assert not (recorded and put) or max(recorded) < min(put), f"{path.name}:{min(put)}"


@every_face
def test_pages_endpoints_dialects_and_commands_change_no_row_themselves(path: Path) -> None:
    """A call such as `people.create(...)` is one of a rule: its module has been imported by name."""
    tree = ast.parse(path.read_text())
    imported = {name.split(".")[-1] for name in imports(tree)}
    written = {
        f"line {node.lineno}: .{node.func.attr}()"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITES
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id in imported)
    }
    assert not written


@every_rule
def test_a_rule_does_not_know_its_faces(path: Path) -> None:
    faces = {
        name
        for name in imports(ast.parse(path.read_text()))
        for app, *rest in [name.split(".")]
        if app in ("devices", "tokens", "gateway") and any(f"{part}.py" in FACES for part in rest)
    }
    assert not faces
