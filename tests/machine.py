"""What the tests need of the machine beside Python packages: Chromium, curl and openssl, through apt where we may."""

import os
import shutil
import subprocess
import sys

NEEDED = {"chromium": ("chromium", "fonts-dejavu-core"), "curl": ("curl",), "openssl": ("openssl",)}


def main() -> int:
    missing = [package for program, packages in NEEDED.items() if not shutil.which(program) for package in packages]
    if not missing:
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"The browser tests need more of this machine: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    print(f"Installing {' '.join(missing)} for the browser tests …", file=sys.stderr)
    subprocess.run(["apt-get", "update", "-q"], check=True, **quiet)
    return subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", *missing], **quiet).returncode


if __name__ == "__main__":
    sys.exit(main())
