"""Builds the wheel of the package in this folder. Stands for a compiler that takes its time."""

import tomllib
from pathlib import Path
from zipfile import ZipFile

WHEEL = "Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name = tomllib.loads(Path("pyproject.toml").read_text())["project"]["name"]
    place = Path(folder, f"{name}-1.0.dist-info")
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (place / "WHEEL").write_text(WHEEL)
    return place.name


def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = Path(metadata_directory)
    name = info.name.partition("-")[0]
    wheel = f"{name}-1.0-py3-none-any.whl"
    with ZipFile(Path(folder, wheel), "w") as archive:
        archive.writestr(f"{name}.py", f'"""The package {name}."""\n')
        for file in ("METADATA", "WHEEL"):
            archive.write(info / file, f"{info.name}/{file}")
        archive.writestr(f"{info.name}/RECORD", f"{name}.py,,\n")
    return wheel
