"""The rows that everything else counts on: the tenant `main` that people belong to, and the head of the audit chain."""

from django.db import migrations


def add(apps, schema_editor):
    apps.get_model("portal", "Tenant").objects.get_or_create(name="main", defaults={"title": "Main"})
    apps.get_model("portal", "AuditHead").objects.get_or_create(id=1)


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
