"""`python -m tests.bench.inside lists` measures in a Django of its own and prints each figure as a line of JSON."""

import json
import os
import sys
from dataclasses import asdict
from importlib import import_module

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.inside.settings"
    django.setup()
    for figure in import_module(f"tests.bench.inside.{sys.argv[1]}").measure():
        print(json.dumps(asdict(figure)), flush=True)
