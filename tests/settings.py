"""The settings of an installation, with the environment that the tests need.

With GATEHOUSE_TEST_DATABASE_URL the same tests run on PostgreSQL.
"""

import atexit
import os
import shutil
import tempfile

FOLDER = tempfile.mkdtemp(prefix="gatehouse-test-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
for name in [name for name in os.environ if name.startswith("GATEHOUSE_") and name != "GATEHOUSE_TEST_DATABASE_URL"]:
    del os.environ[name]
os.environ["GATEHOUSE_DATA_DIR"] = FOLDER
if url := os.environ.get("GATEHOUSE_TEST_DATABASE_URL"):
    key = "kq3Zr8vT1xW5yN7bM2cJ9dF4gH6sL0pA-uE_iOaRnQk="
    os.environ |= {
        "GATEHOUSE_DATABASE_URL": url,
        "GATEHOUSE_SECRET_KEY": "for-the-tests-alone-kq3Zr8vT1xW5yN7bM2cJ",
        "GATEHOUSE_MASTER_KEY": key,
        "GATEHOUSE_PEPPERS": f"p1:{key}",
        "GATEHOUSE_NODE": "local",
    }

from portal.settings import *  # noqa: E402, F403
from portal.settings import DATABASES, MIDDLEWARE, ON_SERVER  # noqa: E402

if not ON_SERVER:
    # A file, as an installation has: threads see each other's writes and locks as processes do.
    DATABASES["default"]["TEST"] = {"NAME": f"{FOLDER}/test.sqlite3"}

# Argon2 with its least cost: the tests log in hundreds of times.
PASSWORD_HASHERS = ["tests.hasher.QuickArgon2"]

# It writes every ten seconds, whatever is asked then: tests that count queries would meet that by chance.
MIDDLEWARE = [name for name in MIDDLEWARE if name != "portal.tally.TallyMiddleware"]

# Files are looked for when they are asked for; each test client would read through all of them first.
WHITENOISE_AUTOREFRESH = True
