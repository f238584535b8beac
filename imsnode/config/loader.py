# SPDX-License-Identifier: Apache-2.0
"""Reading the configuration: file, environment, checks.

The TOML file gives the settings, IMSNODE_* variables overlay them (IMSNODE_PAGER__DEFER_AFTER sets
pager.defer_after), the model checks them, and every problem is reported at once.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_origin

from pydantic import PrivateAttr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from .checks import cross_check
from .errors import ConfigError, Problem
from .model import Settings
from .problems import describe_all, unknown_keys
from .types import Listener

__all__ = ["ENV_PREFIX", "Config", "load"]

ENV_PREFIX = "IMSNODE_"
_SQLITE = "sqlite:///"

# Any: the tree that TOML or the environment gave, before the model has looked at it.
Tree = dict[str, Any]


class Config(Settings):
    """Checked settings together with where they came from.

    Paths in the settings are as written; the properties here give them relative to the folder of
    the configuration file (the working directory when there is no file).
    """

    _path: Path | None = PrivateAttr(default=None)
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """The configuration file, absolute, or None when only defaults and environment count."""
        return self._path

    @property
    def directory(self) -> Path:
        """The folder that relative paths start from, absolute."""
        return self._path.parent if self._path is not None else Path.cwd()

    @property
    def origins(self) -> Mapping[str, str]:
        """Dotted key to "file" or to the name of the variable, for keys not left at default."""
        return self._origins

    @property
    def storage_url(self) -> str:
        """Database URL with an absolute file name."""
        if not self.storage.url.startswith(_SQLITE):
            return self.storage.url
        name, mark, options = self.storage.url.removeprefix(_SQLITE).partition("?")
        return f"{_SQLITE}{self.directory / name}{mark}{options}"

    @property
    def storage_file(self) -> Path | None:
        """The SQLite file, absolute, or None for a database server."""
        url = self.storage_url
        if not url.startswith(_SQLITE):
            return None
        return Path(url.removeprefix(_SQLITE).partition("?")[0])

    @property
    def control_socket(self) -> Path:
        """The control socket, absolute."""
        return self.directory / self.control.socket

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        """Certificate and key of the TLS listeners, absolute; None asks for a self-made one."""
        if self.tls.certificate is None or self.tls.key is None:
            return None
        return self.directory / self.tls.certificate, self.directory / self.tls.key

    @property
    def domain_certificates(self) -> dict[str, tuple[Path, Path]]:
        """Certificate and key of the domains that have their own, absolute."""
        return {
            entry.name: (self.directory / entry.certificate, self.directory / entry.key)
            for entry in self.domain
            if entry.certificate is not None and entry.key is not None
        }

    @property
    def tls_authorities(self) -> Path | None:
        """The file with who vouches for others, absolute."""
        return None if self.tls.authorities is None else self.directory / self.tls.authorities

    @property
    def tls_directory(self) -> Path:
        """The folder where a self-made certificate is kept."""
        return self.directory / "tls"

    @property
    def content_directory(self) -> Path:
        """The folder where uploaded files are kept, absolute."""
        return self.directory / self.content.directory

    @property
    def cdr_file(self) -> Path | None:
        """File for charging records, absolute, or None."""
        return self.directory / self.cdr.file if self.cdr.file is not None else None

    def algorithms(self, domain: str) -> tuple[str, ...]:
        """Digest algorithms offered to users of `domain`, strongest first."""
        for entry in self.domain:
            if entry.name == domain and entry.algorithms is not None:
                return entry.algorithms
        return self.auth.algorithms

    def listener_algorithms(self) -> dict[Listener, tuple[str, ...]]:
        """Digest algorithms of the listeners that differ from the rest."""
        return {entry.address: entry.algorithms for entry in self.listener if entry.algorithms}


class _Environment(EnvSettingsSource):
    """IMSNODE_* variables as a tree; lists may be JSON or separated by commas."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        text = str(value).strip()
        try:
            return json.loads(text)
        except ValueError:
            if get_origin(field.annotation) is tuple:
                return [part.strip() for part in text.split(",") if part.strip()]
            return text


class _EnvironmentShape(Settings, BaseSettings):
    """Tells the environment source which variables there are; never instantiated."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__")


def load(path: Path | None, *, environment: bool = True) -> Config:
    """Read and check the configuration completely.

    Args:    path: TOML file, or None for defaults and environment alone. environment: whether
             IMSNODE_* variables count.
    Raises:  ConfigError with every problem found.
    """
    source = str(path) if path is not None else ""
    tree = _read_file(path) if path is not None else {}
    overlay = _read_environment(source) if environment else {}
    problems = unknown_keys(tree, Settings)
    problems += [
        replace(problem, remedy=f"{problem.remedy} (set by the variable {_variable(problem.key)})")
        for problem in unknown_keys(overlay, Settings)
    ]
    origins = dict.fromkeys(_leaves(tree), "file")
    origins.update({key: _variable(key) for key in _leaves(overlay)})
    try:
        config = Config.model_validate(_merge(tree, overlay))
    except ValidationError as error:
        problems += describe_all(error, origins)
        raise ConfigError(problems, source) from None
    problems += cross_check(config)
    if problems:
        raise ConfigError(problems, source)
    config._path = path.absolute() if path is not None else None
    config._origins.update(origins)
    return config


def _read_file(path: Path) -> Tree:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        problem = Problem(
            str(path), "", "there is no such file", "make one with `imsnode init DIR`"
        )
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        problem = Problem(str(path), "", reason, "check its permissions")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem = Problem(str(path), "", f"is not TOML ({error})", "correct the line")
    raise ConfigError([problem], str(path))


def _read_environment(source: str) -> Tree:
    try:
        return _Environment(_EnvironmentShape, case_sensitive=False)()
    except SettingsError as error:
        problem = Problem(
            f"{ENV_PREFIX}*", "", str(error), 'write lists as JSON, for instance ["ims.test"]'
        )
        raise ConfigError([problem], source) from None


def _merge(base: Tree, overlay: Tree) -> Tree:
    merged = dict(base)
    for key, value in overlay.items():
        below = merged.get(key)
        both = isinstance(value, dict) and isinstance(below, dict)
        merged[key] = _merge(below, value) if both and isinstance(below, dict) else value
    return merged


def _leaves(tree: Tree, prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        found += _leaves(value, f"{name}.") if isinstance(value, dict) else [name]
    return found


def _variable(key: str) -> str:
    return ENV_PREFIX + key.upper().replace(".", "__")
