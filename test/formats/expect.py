"""Writes what an import of each Parquet file in a folder must yield, by pyarrow's own reading: expect.py FOLDER.

NAME.parquet.jsonl gets one line of JSON for each row. What each type becomes is said in docs/formats.md.
"""
import base64
import decimal
import json
import math
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

decimal.getcontext().prec = 200
SCALES = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def date(days):
    # The calendar of Python ends at year 9999; this is the same one without an end.
    import numpy as np
    return str(np.datetime64(int(days), "D"))


def clock(value, digits):
    seconds, fraction = divmod(value, 10**digits)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}." + f"{fraction:0{digits}}"


def timestamp(value, digits):
    days, rest = divmod(value, 86400 * 10**digits)
    return f"{date(days)}T{clock(rest, digits)}Z"


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def array_json(array, hint=None):
    """The JSON of each value of an array, as text."""
    if isinstance(array, pa.ChunkedArray):
        return [text for chunk in array.chunks for text in array_json(chunk, hint)]
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        if str(kind.extension_name) == "arrow.uuid":
            hint = "UUID"
        elif str(kind.extension_name) == "arrow.json":
            hint = "JSON"
        return array_json(array.storage, hint)
    t = pa.types
    if t.is_dictionary(kind):
        return array_json(array.dictionary_decode(), hint)
    if t.is_null(kind):
        return ["null"] * len(array)
    valid = array.is_valid().to_pylist()

    def each(values, make):
        return [make(v) if ok else "null" for v, ok in zip(values, valid)]
    if t.is_boolean(kind):
        return each(array.to_pylist(), lambda v: "true" if v else "false")
    if t.is_integer(kind):
        return each(array.to_pylist(), str)
    if t.is_floating(kind):
        values = array.cast(pa.float32()).to_pylist() if t.is_float16(kind) else array.to_pylist()
        return each(values, lambda v: repr(float(v)) if math.isfinite(v) else "null")
    if t.is_decimal(kind):
        return each(array.to_pylist(), lambda v: format(v, "f"))
    if t.is_date32(kind):
        return each(array.view(pa.int32()).to_pylist(), lambda v: quoted(date(v)))
    if t.is_timestamp(kind):
        return each(array.view(pa.int64()).to_pylist(), lambda v: quoted(timestamp(v, SCALES[kind.unit])))
    if t.is_time(kind):
        integer = pa.int32() if t.is_time32(kind) else pa.int64()
        return each(array.view(integer).to_pylist(), lambda v: quoted(clock(v, SCALES[kind.unit])))
    if t.is_duration(kind):
        return each(array.view(pa.int64()).to_pylist(), str)
    if t.is_string(kind) or t.is_large_string(kind) or kind == pa.string_view():
        return each(array.to_pylist(), embedded if hint == "JSON" else quoted)
    if t.is_map(kind):
        keys, items = array_json(array.keys), array_json(array.items)
        return lists(array, valid, lambda a, b: "{" + ",".join(
            f"{key if key.startswith(chr(34)) else quoted(key)}:{item}" for key, item in dict(zip(keys[a:b], items[a:b])).items()) + "}")
    if t.is_fixed_size_list(kind):
        flat = array_json(array.values)
        size = kind.list_size
        return [f"[{','.join(flat[(array.offset + n) * size:(array.offset + n + 1) * size])}]" if ok else "null" for n, ok in enumerate(valid)]
    if t.is_list(kind) or t.is_large_list(kind):
        flat = array_json(array.values)
        return lists(array, valid, lambda a, b: f"[{','.join(flat[a:b])}]")
    if t.is_struct(kind):
        parts = [(field.name, array_json(array.field(n))) for n, field in enumerate(kind)]
        return ["{" + ",".join(f"{quoted(name)}:{texts[n]}" for name, texts in parts) + "}" if ok else "null" for n, ok in enumerate(valid)]
    # Bytes of all kinds.
    if hint == "UUID":
        import uuid
        return each(array.to_pylist(), lambda v: quoted(str(uuid.UUID(bytes=v))))
    if hint == "ENUM":
        return each(array.to_pylist(), lambda v: quoted(v.decode()))
    if hint == "JSON":
        return each(array.to_pylist(), lambda v: embedded(v.decode()))
    return each(array.to_pylist(), lambda v: quoted(base64.b64encode(v).decode()))


def lists(array, valid, make):
    offsets = array.offsets.to_pylist()
    return [make(offsets[n], offsets[n + 1]) if ok else "null" for n, ok in enumerate(valid)]


def embedded(text):
    try:
        json.loads(text, parse_constant=lambda name: 1 / 0)
        return text
    except (ValueError, ZeroDivisionError):
        return quoted(text)


def expect(path):
    file = pq.ParquetFile(path)
    hints = {}
    for n in range(len(file.schema)):
        column = file.schema.column(n)
        name = column.logical_type.to_json()
        kind = json.loads(name)["Type"]
        if kind.upper() in ("ENUM", "JSON", "UUID") and "." not in column.path:
            hints[column.name] = kind.upper()
    lines = []
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        columns = [(quoted(name), array_json(table.column(n), hints.get(name))) for n, name in enumerate(table.column_names)]
        lines += ["{" + ",".join(f"{name}:{texts[n]}" for name, texts in columns) + "}" for n in range(table.num_rows)]
    return lines


folder = sys.argv[1]
for name in sorted(os.listdir(folder)):
    path = os.path.join(folder, name)
    if not name.endswith(".parquet") or os.path.exists(path + ".issue") or os.path.exists(path + ".jsonl"):
        continue
    try:
        lines = expect(path)
    except Exception as error:  # its own reading fails: nothing to compare with
        print(f"pyarrow cannot read {name}: {type(error).__name__}: {str(error).splitlines()[0][:150]}")
        continue
    with open(path + ".jsonl", "w") as out:
        out.writelines(line + "\n" for line in lines)
