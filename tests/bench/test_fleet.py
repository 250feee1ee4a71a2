"""The fleet that is put into the tables for a benchmark, past the rules that keep them."""

import json
from pathlib import Path

from tests.served.installation import Served

FILL = """
import json
from devices import counts
from devices.models import Device
from tests.bench.inside import fleet
with fleet.database("filled"):
    fleet.fill(300)
    print(json.dumps({"devices": Device.objects.count(), "tabs": dict(counts.by_tab())}))
"""


def test_it_fits_the_tables_and_is_counted(tmp_path: Path) -> None:
    done = Served(tmp_path / "data").start_command("shell", "-v", "0", "-c", FILL)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    shares = {"accepted": 270, "pending": 15, "rejected": 9, "preauthorized": 3, "denied": 3}
    assert told["devices"] == 300
    assert {tab: told["tabs"][tab] for tab in shares} == shares
