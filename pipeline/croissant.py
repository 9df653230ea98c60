"""What a catalogue may know of a store, as Croissant 1.0: numbers, units and sizes, nobody's name.

Croissant (a vocabulary of MLCommons on top of schema.org, written as JSON-LD) can take columns
out of CSV and JSON and knows no way into an HDF5 file. So every field says in words where it
lies, and its source is the file as a whole.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from features.console import MerError
from features.layout import NUMBER_COLUMNS, TEXT_COLUMNS
from features.store import Store
from pipeline.facts import people_in

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator",
    "source", "subField", "transform",
)  # fmt: skip
CONTEXT: dict[str, Any] = {  # the one all share: a tool warns of any other
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in TERMS},
}
LICENSE = "The licences of the datasets that the features were computed from hold for them too."
FORMAT = "application/x-hdf5"
TYPES = {"<i4": "sc:Integer", "<f8": "sc:Float"}
MEANING = {
    "sample_id": "Name of the sample; the rows are sorted by it.",
    "dataset": "The dataset that the sample is of.",
    "subject": "Code of the person, who is one within a dataset.",
    "clip": "Name of the clip.",
    "emotion": "Emotion as annotated; blank where none was.",
    "action_units": "FACS action units as annotated.",
    "objective_class": "Class by action units alone, where the dataset has such.",
    "apex_source": "Who says where the apex is.",
    "digest": "Digest of the sample's arrays.",
    "onset": "Number of the first frame of the expression; -1 where it is not told.",
    "apex": "Number of its strongest frame; -1 where it is not told.",
    "offset": "Number of its last frame; -1 where it is not told.",
    "fps": "Frames a second; 0 where it is not told.",
}


def croissant(
    path: Path, *, creator: str, url: str, published: date, license_: str = LICENSE
) -> dict[str, Any]:
    """Describe a store for a catalogue, with nothing of the people in it.

    Counts stand in for sample ids, subjects and annotations; of the path only the file's name.

    Parameters
    ----------
    creator : the organisation that answers for the store
    url : a page about it
    published : when it became public
    license_ : a text, or better the address of one

    Returns
    -------
    JSON-LD, by Croissant 1.0.

    Raises
    ------
    MerError
        If there is no such store, or people can be recognised in it; exit code 4 if it is damaged.
    """
    with Store(path) as store:
        _refuse_people(store)
        return {
            "@context": CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": CONFORMS_TO,
            "name": re.sub(r"[^\w.-]+", "-", f"{store.attrs['dataset']}-{path.stem}"),
            "description": _description(store),
            "license": license_,
            "url": url,
            "creator": {"@type": "sc:Organization", "name": creator},
            "datePublished": published.isoformat(),
            "identifier": store.attrs["key"],
            "keywords": ["micro-expressions", *sorted(set(store.index["dataset"]))],
            "measurementTechnique": list(_technique(store)),
            "variableMeasured": [_variable(name, one) for name, one in store.features.items()],
            "distribution": [_file(path)],
            "recordSet": [_samples(store)],
        }


def _refuse_people(store: Store) -> None:
    people = sorted(people_in(store))
    if people or json.loads(store.attrs["recipe"]).get("sensitive", False):
        raise MerError(
            f"{store.path}: people can be recognised in {', '.join(people) or 'it'}",
            "faces are for no catalogue: describe a store of features that show none",
        )


def _description(store: Store) -> str:
    index = store.index
    people = len(set(zip(index["dataset"], index["subject"], strict=True)))
    classes = len(set(index["emotion"]) - {""})
    datasets = ", ".join(sorted(set(index["dataset"])))
    return (
        f"Features of micro-expression clips of {datasets}: {', '.join(store.features)}."
        f" {len(store)} samples of {people} subjects in {classes} classes of emotion. Row k of"
        " every column of /index and of every array of /features is the same sample."
    )


def _technique(store: Store) -> Iterator[str]:
    """The command and the recipe with all its settings; neither holds a path."""
    if "command" in store.provenance:
        yield str(store.provenance["command"])
    if "imported" not in store.attrs["recipe"]:
        yield store.attrs["recipe"]


def _variable(name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "sc:PropertyValue",
        "name": name,
        "unitText": told["units"],
        "description": _array(told),
    }


def _array(told: Mapping[str, Any]) -> str:
    shape = " × ".join(map(str, told["shape"][1:])) or "1"
    axes = told["axes"].removeprefix("sample ")
    words = f"{shape} {told['dtype']} a sample, axes {axes}"
    return f"{words}; {told['convention']}" if told["convention"] else words


def _file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "description": "The store, an HDF5 file; any HDF5 reads it.",
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": FORMAT,
        "sha256": digest,
    }


def _samples(store: Store) -> dict[str, Any]:
    """The rows of the index with their features: which fields there are, no value of any."""
    columns = dict.fromkeys(TEXT_COLUMNS, "sc:Text")
    columns |= {name: TYPES[kind] for name, kind in NUMBER_COLUMNS.items()}
    source = {"fileObject": {"@id": store.path.name}}

    def field(name: str, kind: str, place: str, about: str) -> dict[str, Any]:
        words = f"{about} HDF5 dataset /{place}/{name}, a row a sample."
        return {"@type": "cr:Field", "@id": f"samples/{name}", "name": name, "description": words,
                "dataType": kind, "source": source}  # fmt: skip

    fields = [field(name, kind, "index", MEANING[name]) for name, kind in columns.items()]
    fields += [
        field(name, "sc:Float", "features", f"In {told['units']}: {_array(told)}.")
        | {"repeated": True}
        for name, told in store.features.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": f"{len(store)} samples. Croissant has no way into HDF5: read the file with"
        " an HDF5 library, each field as it says.",
        "key": {"@id": "samples/sample_id"},
        "field": fields,
    }
