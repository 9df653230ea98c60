"""A store of an older schema, made new beside the old one."""

from pathlib import Path
from typing import Any

from features.base import Array
from features.console import USAGE, MerError
from features.layout import FEATURE_ATTRS, FILE_ATTRS, SCHEMA, damaged
from features.publish import Column, Content, publish
from features.store import Store


def migrate(old: Path, new: Path) -> None:
    """Publish what a store of an older schema holds as one of this schema.

    Every array is checked against its old digest while it is copied, so the samples keep
    theirs; what schema 1 could not check, its labels, is sealed as it is now. The old file is
    left alone.

    Raises
    ------
    MerError
        If `new` is there already or `old` is of this schema (exit code 2); if `old` is damaged
        (exit code 4).
    """
    if new.exists() or new.is_symlink():
        raise MerError(f"{new} is there already", "choose another -o", USAGE)
    with Store(old) as store:
        if store.attrs["schema"] == SCHEMA:
            raise MerError(f"{old} is of schema {SCHEMA} already", "use it as it is", USAGE)
        rows = {sample_id: row for row, sample_id in enumerate(store.index["sample_id"])}
        try:
            publish(new, _content(store), lambda i, name: store.read(name, rows[i]))
        except ValueError as error:
            raise damaged(old, f"holds what no store can: {error}") from error


def _content(store: Store) -> Content:
    return Content(
        **{name: store.attrs[name] for name in FILE_ATTRS},
        index=_rows(store.index),
        features={
            name: Column(
                **{attr: told[attr] for attr in FEATURE_ATTRS if attr != "axes"},
                axes=told["axes"].removeprefix("sample "),
                dtype=told["dtype"],
            )
            for name, told in store.features.items()
        },
        failures=_rows(store.failures),
        provenance={**store.provenance, "migrated_from_schema": store.attrs["schema"]},
    )


def _rows(columns: dict[str, Array]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
