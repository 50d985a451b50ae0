#!/usr/bin/env python3
"""Trims the Merge HRIS OpenAPI 3.0 document to JSON Schemas of what the simulator answers.

    python3 tests/support/trim-openapi.py merge-hris-openapi-3.0.yaml > tests/support/merge-openapi.json

Needs PyYAML. The source is the vendor's document "Merge HRIS API", OpenAPI 3.0.3, API version 1.0, state of
November 2025. Only names, types, formats, bounds and enumerations are kept; prose and examples are not.

Two things differ from a literal reading of the source:
- `nullable: true` becomes a choice with `null`, which JSON Schema has and OpenAPI 3.0 had not;
- `oneOf` becomes `anyOf`, since the source writes an enumeration as `oneOf` of its values and any string, which no
  listed value could satisfy.
"""
import json
import sys

import yaml

ROOTS = [
    "PaginatedEmployeeList",
    "PaginatedEmploymentList",
    "PaginatedGroupList",
    "PaginatedLocationList",
    "PaginatedCompanyList",
    "PaginatedPayGroupList",
    "PaginatedSyncStatusList",
    "PaginatedAccountDetailsAndActionsList",
    "AccountDetails",
]
KEPT = {"type", "format", "enum", "maxLength", "minLength", "maximum", "minimum", "required", "pattern"}
PREFIX = "#/components/schemas/"


def convert(schema, wanted):
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(PREFIX)
        wanted.append(name)
        out = {"$ref": f"#/$defs/{name}"}
    else:
        out = {key: value for key, value in schema.items() if key in KEPT}
        if "properties" in schema:
            out["properties"] = {name: convert(value, wanted) for name, value in schema["properties"].items()}
        if "items" in schema:
            out["items"] = convert(schema["items"], wanted)
        if isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
            out["additionalProperties"] = convert(schema["additionalProperties"], wanted)
        for source, target in (("oneOf", "anyOf"), ("anyOf", "anyOf"), ("allOf", "allOf")):
            if source in schema:
                out[target] = [convert(part, wanted) for part in schema[source]]
    if schema.get("nullable"):
        if isinstance(out.get("type"), str) and "enum" not in out:
            out["type"] = [out["type"], "null"]
        else:
            out = {"anyOf": [*(out["anyOf"] if set(out) == {"anyOf"} else [out]), {"type": "null"}]}
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        source = yaml.safe_load(file)
    definitions, wanted = {}, list(ROOTS)
    while wanted:
        name = wanted.pop()
        if name not in definitions:
            definitions[name] = None
            definitions[name] = convert(source["components"]["schemas"][name], wanted)
    json.dump(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$comment": "Made by trim-openapi.py from: {title}, version {version}, OpenAPI {openapi}, November 2025. "
            "Do not edit.".format(openapi=source["openapi"], **source["info"]),
            "$defs": dict(sorted(definitions.items())),
        },
        sys.stdout,
        indent=1,
    )
    print()


if __name__ == "__main__":
    main()
