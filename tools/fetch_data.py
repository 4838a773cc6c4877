"""Fetch the published files that devstore works from, each out of one pinned package, without installing the package.

var/schema/admin_<version>.json.gz  Shopify's Admin GraphQL schema (introspection), from npm `@shopify/dev-mcp`
var/data/CDNOW_master.txt           the CDNOW purchase histories, from the wheel of PyPI `lifetimes`

A file that is there already is left alone. A package that differs from its pin stops the script.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMA_PACKAGE = "@shopify/dev-mcp@1.16.0"
SCHEMA_SHA512 = "tqgRnK7sQhjew+htxtleTH23nXB5fZcsrhWgEkomsorGXvLOB2mh2upwZm8uzuTDNTZnqtLMe64yIwh6s2awtw=="
SCHEMA_FILES = {
    f"package/dist/data/{name}": ROOT / "var/schema" / name
    for name in ("admin_2026-07.json.gz", "admin_2026-10.json.gz")
}
CDNOW_PIN = ROOT / "tools/requirements-cdnow.txt"
CDNOW_MEMBER = "lifetimes/datasets/CDNOW_master.txt"
CDNOW_FILE = ROOT / "var/data/CDNOW_master.txt"


def fetch_schemas() -> None:
    """Unpack the schema versions we validate against. Exits when the package is not the pinned one."""
    with tempfile.TemporaryDirectory() as folder:
        run("npm", "pack", "--silent", "--pack-destination", folder, SCHEMA_PACKAGE)
        (package,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        if digest != SCHEMA_SHA512:
            sys.exit(f"error: {SCHEMA_PACKAGE} is not the pinned package (sha512 {digest})")
        with tarfile.open(package) as archive:
            for member, target in SCHEMA_FILES.items():
                source = archive.extractfile(member)
                if source is None:
                    sys.exit(f"error: {SCHEMA_PACKAGE} has no file {member}")
                write(target, source.read())


def fetch_cdnow() -> None:
    """Unpack the purchase histories; pip checks the wheel's hash."""
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "pip", "-q", "download", "--no-deps", "-r", str(CDNOW_PIN), "-d", folder)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            write(CDNOW_FILE, archive.read(CDNOW_MEMBER))


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"error: {' '.join(command[:3])} … failed\n{done.stderr}")


def write(target: Path, content: bytes) -> None:
    """Write so that a half-written file never carries the name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(target)


if __name__ == "__main__":
    if not all(target.exists() for target in SCHEMA_FILES.values()):
        print("== Fetching Shopify's Admin schema", flush=True)
        fetch_schemas()
    if not CDNOW_FILE.exists():
        print("== Fetching the CDNOW purchase histories", flush=True)
        fetch_cdnow()
