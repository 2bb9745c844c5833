"""The options by which a command finds an installation, and its settings."""

import os
from pathlib import Path

import click

from config.settings import SettingError, Settings, load

DATA = Path(".tidings/data")

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA,
    show_default=True,
    help="Folder of the embedded services.",
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Settings file; by default that of the installation in --data.",
)


def installed(data: Path, config: Path | None) -> Settings:
    """Settings of a running installation. Raises `SettingError`."""
    file = config or data / "tidings.toml"
    if config is None and not file.exists():
        raise SettingError(f"--data: {data} holds no installation: start `tidings serve --embedded` there first.")
    return load(file, os.environ)
