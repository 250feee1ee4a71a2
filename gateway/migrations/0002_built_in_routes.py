"""The routes that EdgeX users know, disabled until `import_routes --edgex` enables them.

What a row holds is written out here and not asked of the rules, which may change after this has run.
"""

from django.db import migrations

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
TARGETS = {
    "core-data": "http://edgex-core-data:59880",
    "core-metadata": "http://edgex-core-metadata:59881",
    "core-command": "http://edgex-core-command:59882",
    "support-notifications": "http://edgex-support-notifications:59860",
    "support-scheduler": "http://edgex-support-scheduler:59861",
    "rules-engine": "http://edgex-kuiper:59720",
    "app-rules-engine": "http://edgex-app-rules-engine:59701",
    "device-virtual": "http://edgex-device-virtual:59900",
    "core-keeper": "http://edgex-core-keeper:59890",
}


def add(apps, schema_editor):
    Route = apps.get_model("gateway", "Route")
    for prefix, target in TARGETS.items():
        if not Route.objects.filter(prefix__iexact=prefix).exists():
            Route.objects.create(
                prefix=prefix,
                target=target,
                scope=f"gateway:{prefix}",
                methods=METHODS,
                forward_token=True,
                is_enabled=False,
                origin="built_in",
                created_by="Gatehouse",
            )


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_initial")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
