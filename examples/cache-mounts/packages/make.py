"""Makes source packages in a folder, for pip to build: python make.py FOLDER NAME..."""

import sys
import tarfile
from io import BytesIO
from pathlib import Path

PROJECT = """\
[project]
name = "{name}"
version = "1.0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

backend = Path(__file__).with_name("backend.py").read_bytes()
folder, *names = sys.argv[1:]
Path(folder).mkdir()
for name in names:
    with tarfile.open(f"{folder}/{name}-1.0.tar.gz", "w:gz") as archive:
        for file, content in {"pyproject.toml": PROJECT.format(name=name).encode(), "backend.py": backend}.items():
            member = tarfile.TarInfo(f"{name}-1.0/{file}")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
