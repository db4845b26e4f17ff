"""Writes Parquet files with the libraries of this environment: generate.py FOLDER [LIBRARY...].

Each file is FOLDER/WRITER-VERSION-CASE.parquet. A file NAME.issue beside it holds the code of the issue that an import
must report for it. Cases that a library of this version does not know are named at the end.
"""
import datetime as dt
import decimal
import importlib
import os
import random
import sys
import uuid

FOLDER = sys.argv[1]
ONLY = sys.argv[2:]
# For files that are kept in the repository.
SMALL = bool(os.environ.get("SMALL"))
skipped = []
decimal.getcontext().prec = 100
os.makedirs(FOLDER, exist_ok=True)


def library(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


pa = library("pyarrow")
duckdb = library("duckdb")
polars = library("polars")
fastparquet = library("fastparquet")


def case(module, name, write, issue=None, rows=None):
    path = f"{FOLDER}/{module.__name__}-{module.__version__}-{name}.parquet"
    try:
        write(path)
    except Exception as error:  # a library of this version does not know it
        skipped.append(f"{os.path.basename(path)}: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
        if os.path.exists(path):
            os.remove(path)
        return
    if issue:
        with open(path + ".issue", "w") as out:
            out.write(issue)
    # What pyarrow does not decode.
    if rows:
        with open(path + ".jsonl", "w") as out:
            out.writelines(row + "\n" for row in rows)


def some(n, make, nulls=True):
    return [None if nulls and i % 5 == 3 else make(i) for i in range(n)]


UTC = dt.timezone.utc
START = dt.datetime(2026, 2, 3, 4, 5, 6, 789012)


def kitchen(n, nulls=True):
    """One column of each type that pyarrow knows."""
    n = min(n, 12) if SMALL else n
    rnd = random.Random(7)
    D = decimal.Decimal
    cols = {
        "bool": (some(n, lambda i: i % 3 == 0, nulls), pa.bool_()),
        "i8": (some(n, lambda i: i % 256 - 128, nulls), pa.int8()),
        "i16": (some(n, lambda i: i * 37 % 65536 - 32768, nulls), pa.int16()),
        "i32": (some(n, lambda i: (-1) ** i * (2**31 - 1 - i), nulls), pa.int32()),
        "i64": (some(n, lambda i: (-1) ** i * (2**63 - 1 - i), nulls), pa.int64()),
        "small": (some(n, lambda i: i * 1000, nulls), pa.int64()),
        "u8": (some(n, lambda i: i % 256, nulls), pa.uint8()),
        "u16": (some(n, lambda i: 65535 - i % 100, nulls), pa.uint16()),
        "u32": (some(n, lambda i: 2**32 - 1 - i, nulls), pa.uint32()),
        "u64": (some(n, lambda i: 2**64 - 1 - i, nulls), pa.uint64()),
        "f32": (some(n, lambda i: i / 3, nulls), pa.float32()),
        "f64": (some(n, lambda i: [i / 7, float("nan"), float("inf"), -1e300, 5e-324][i % 5 if i % 11 == 0 else 0], nulls), pa.float64()),
        "text": (some(n, lambda i: f"häßlich {i} 🎈" if i % 2 else "", nulls), pa.string()),
        "few": (some(n, lambda i: f"value {i % 4}", nulls), pa.string()),
        "large": (some(n, lambda i: "x" * (i % 300), nulls), pa.large_string()),
        "prefix": (some(n, lambda i: f"s3://bucket/photos/2026/{i:06}.jpg", nulls), pa.string()),
        "bytes": (some(n, lambda i: rnd.randbytes(i % 20), nulls), pa.binary()),
        "fixed": (some(n, lambda i: rnd.randbytes(7), nulls), pa.binary(7)),
        "d5": (some(n, lambda i: D(i * 7 - 300) / 100, nulls), pa.decimal128(5, 2)),
        "d18": (some(n, lambda i: D((-1) ** i * (10**17 + i)) / 1000, nulls), pa.decimal128(18, 3)),
        "d38": (some(n, lambda i: D((-1) ** i * (10**37 + i)).scaleb(-10), nulls), pa.decimal128(38, 10)),
        "d76": (some(n, lambda i: D((-1) ** i * (10**75 + i)).scaleb(-20), nulls), pa.decimal256(76, 20)),
        "date": (some(n, lambda i: dt.date(1969, 12, 25) + dt.timedelta(days=i * 31), nulls), pa.date32()),
        "t32": (some(n, lambda i: dt.time(i % 24, i % 60, 59, 7000), nulls), pa.time32("ms")),
        "t64": (some(n, lambda i: dt.time(i % 24, i % 60, 1, i), nulls), pa.time64("us")),
        "ms": (some(n, lambda i: START - dt.timedelta(days=i * 99), nulls), pa.timestamp("ms")),
        "us": (some(n, lambda i: START + dt.timedelta(days=i, microseconds=i), nulls), pa.timestamp("us")),
        "utc": (some(n, lambda i: (START + dt.timedelta(days=i)).replace(tzinfo=UTC), nulls), pa.timestamp("us", tz="UTC")),
        "zone": (some(n, lambda i: (START + dt.timedelta(days=i)).replace(tzinfo=UTC), nulls), pa.timestamp("ms", tz="Europe/Berlin")),
        "list": (some(n, lambda i: some(i % 4, lambda j: i * j), nulls), pa.list_(pa.int32())),
        "texts": (some(n, lambda i: some(i % 6, lambda j: f"{j}"), nulls), pa.list_(pa.string())),
        "lists": (some(n, lambda i: some(i % 4, lambda j: some(j, lambda k: k / 2)), nulls), pa.list_(pa.list_(pa.float64()))),
        "point": (some(n, lambda i: {"x": i / 2 if i % 4 else None, "y": {"z": f"{i}", "w": [i % 100] if i % 3 else None}}, nulls),
                  pa.struct([("x", pa.float64()), ("y", pa.struct([("z", pa.string()), ("w", pa.list_(pa.int8()))]))])),
        "map": (some(n, lambda i: [(f"k{j}", j if j % 2 else None) for j in range(i % 4)], nulls), pa.map_(pa.string(), pa.int64())),
        "imap": (some(n, lambda i: [(j, f"{j}") for j in range(i % 3)], nulls), pa.map_(pa.int32(), pa.string())),
        "deep": (some(n, lambda i: [{"a": [(f"{i}", [i, None])], "b": None if i % 2 else "b"}] * (i % 3), nulls),
                 pa.list_(pa.struct([("a", pa.map_(pa.string(), pa.list_(pa.int32()))), ("b", pa.string())]))),
        "dict": (some(n, lambda i: f"word {i % 3}", nulls), pa.dictionary(pa.int8(), pa.string())),
        "none": ([None] * n, pa.null()),
    }
    arrays = [pa.array(values, type=type_) for values, type_ in cols.values()]
    arrays.append(pa.array([i * 10**9 + 123456789 for i in range(n)], pa.int64()).cast(pa.timestamp("ns")))
    arrays.append(pa.array([i * 10**9 + 123456789 for i in range(n)], pa.int64()).cast(pa.time64("ns")))
    arrays.append(pa.array([i * 10**9 for i in range(n)], pa.int64()).cast(pa.duration("us")))
    fields = [pa.field(name, a.type) for name, a in zip([*cols, "ns", "t64n", "duration"], arrays)]
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(range(n * 2), pa.int16()), 2)
    return pa.table([*arrays, fixed], schema=pa.schema([*fields, pa.field("pair", fixed.type)]))


def with_pyarrow():
    import numpy as np
    import pyarrow.parquet as pq

    def write(table, **options):
        return lambda path: pq.write_table(table, path, **options)

    table = kitchen(120)
    for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
        for version in ["1.0", "2.0"]:
            for words in [True, False]:
                case(pa, f"kitchen-{codec}-page{version}-{'dictionary' if words else 'plain'}",
                     write(table, compression=codec, data_page_version=version, use_dictionary=words))
    for version in ["1.0", "2.4", "2.6"]:
        case(pa, f"format-{version}", write(table.drop(["ns"]), version=version))
    case(pa, "no-nulls", write(kitchen(90, nulls=False)))
    required = pa.schema([f.with_nullable(False) for f in kitchen(40, nulls=False).drop(["none"]).schema])
    case(pa, "required", lambda path: pq.write_table(kitchen(40, nulls=False).drop(["none"]).cast(required), path))
    case(pa, "small-pages", write(kitchen(900), data_page_size=64, write_batch_size=16, row_group_size=333))
    case(pa, "small-pages-2", write(kitchen(900), data_page_size=64, write_batch_size=16, data_page_version="2.0", compression="zstd"))
    case(pa, "dictionary-overflows", write(kitchen(900), dictionary_pagesize_limit=200, data_page_size=100, write_batch_size=16))
    case(pa, "checksums", write(table, write_page_checksum=True))
    case(pa, "checksums-2", write(table, write_page_checksum=True, data_page_version="2.0", compression="snappy"))
    case(pa, "page-index", write(table, write_page_index=True))
    case(pa, "no-statistics", write(table, write_statistics=False, store_schema=False))
    case(pa, "old-nesting", write(table, use_compliant_nested_type=False, store_schema=False))
    case(pa, "int96", write(table.select(["us", "ns", "ms"]), use_deprecated_int96_timestamps=True))
    case(pa, "decimal-as-integer", write(table.select(["d5", "d18", "d38"]), store_decimal_as_integer=True))
    encodings = {
        "small": "DELTA_BINARY_PACKED", "i32": "DELTA_BINARY_PACKED", "i64": "DELTA_BINARY_PACKED", "u64": "DELTA_BINARY_PACKED",
        "i8": "DELTA_BINARY_PACKED", "text": "DELTA_LENGTH_BYTE_ARRAY", "prefix": "DELTA_BYTE_ARRAY", "bytes": "DELTA_BYTE_ARRAY",
        "f32": "BYTE_STREAM_SPLIT", "f64": "BYTE_STREAM_SPLIT", "bool": "RLE", "us": "DELTA_BINARY_PACKED",
    }
    for version in ["1.0", "2.0"]:
        for codec in ["none", "zstd"]:
            case(pa, f"encodings-page{version}-{codec}",
                 write(kitchen(700).select(list(encodings)), use_dictionary=False, column_encoding=encodings,
                       data_page_version=version, compression=codec, data_page_size=500))
    split = {name: "BYTE_STREAM_SPLIT" for name in ["i32", "i64", "fixed", "d38", "u32"]}
    case(pa, "split-others", write(kitchen(300).select(list(split)), use_dictionary=False, column_encoding=split))
    flba = {"fixed": "DELTA_BYTE_ARRAY", "d38": "DELTA_BYTE_ARRAY"}
    case(pa, "delta-fixed", write(kitchen(300).select(list(flba)), use_dictionary=False, column_encoding=flba))
    case(pa, "float16", write(pa.table({"h": pa.array([None if i % 5 == 1 else np.float16(i / 8 - 3) for i in range(60)], pa.float16())})))
    case(pa, "float16-split", write(pa.table({"h": pa.array([np.float16(i / 8 - 3) for i in range(60)], pa.float16())}),
                                     use_dictionary=False, column_encoding={"h": "BYTE_STREAM_SPLIT"}))
    ids = [uuid.UUID(int=i * 12345678901234567890).bytes for i in range(20)]
    case(pa, "uuid", lambda path: pq.write_table(pa.table({"u": pa.ExtensionArray.from_storage(pa.uuid(), pa.array(ids, pa.binary(16)))}), path))
    texts = ['{"a":[1,2.50,12345678901234567890]}', "null", "5", "nonsense", None]
    case(pa, "json", lambda path: pq.write_table(pa.table({"j": pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts))}), path))
    case(pa, "views", lambda path: pq.write_table(pa.table({"s": pa.array(["a", None, "long text that is no inline"], pa.string_view())}), path))
    for data_page in ["1.0", "2.0"]:
        case(pa, f"all-null-{data_page}", write(pa.table({c: pa.array([None] * 50, t) for c, t in
             [("s", pa.string()), ("b", pa.bool_()), ("i", pa.int64()), ("l", pa.list_(pa.int32()))]}), data_page_version=data_page, compression="snappy"))

    def groups(sizes, **options):
        def work(path):
            schema = kitchen(1).schema
            with pq.ParquetWriter(path, schema, **options) as writer:
                for size in sizes:
                    writer.write_table(kitchen(max(1, size)).slice(0, size))
        return work
    case(pa, "empty-row-groups", groups([5, 0, 5, 0]))
    case(pa, "empty-first-group", groups([0, 0, 7], compression="zstd", data_page_version="2.0"))
    case(pa, "many-groups", groups([1, 2, 3, 4, 5] * 6))
    for words in [True, False]:
        case(pa, f"no-rows-{'dictionary' if words else 'plain'}", write(kitchen(1).slice(0, 0), use_dictionary=words))
    case(pa, "no-row-groups", lambda path: pq.ParquetWriter(path, kitchen(1).schema).close())
    rows = 30_000
    case(pa, "one-large-group", write(pa.table({"id": range(rows), "s": [f"text {i}" if i % 7 else None for i in range(rows)],
         "l": [list(range(i % 5)) for i in range(rows)]}), row_group_size=rows, compression="zstd"))
    case(pa, "large-value", write(pa.table({"s": ["x" * 3_000_000, "y"], "b": [b"z" * 2_000_000, None]})))
    case(pa, "wide", write(pa.table({f"column {i}": [i, None] for i in range(400)})))
    case(pa, "special-names", write(pa.table({"__proto__": [1, 2], "constructor": ["a", None], "a.b": [{"c.d": 1}, {"c.d": 2}], "": [3, 4],
         "ä": [5, 6], "toJSON": [7, 8]})))
    case(pa, "special-keys", write(pa.table({"m": pa.array([[("__proto__", 1), ("constructor", 2)], [("toString", None)]], pa.map_(pa.string(), pa.int32())),
         "s": [{"__proto__": {"x": 1}, "y": 2}, {"__proto__": None, "y": 3}]})))
    case(pa, "same-names", lambda path: pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path), "BAD_COLUMN_NAMES")
    not_text = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff\xfe", b"ok"]).buffers())
    case(pa, "not-utf8", write(pa.table({"t": not_text})), "NOT_UTF8")

    def shorter(cut, code):
        def work(path):
            pq.write_table(kitchen(200), path, row_group_size=50)
            with open(path, "rb") as file:
                data = file.read()
            with open(path, "wb") as file:
                file.write(cut(data))
        return work, code
    case(pa, "truncated-end", *shorter(lambda b: b[:-20], "BROKEN_PARQUET"))
    case(pa, "truncated-half", *shorter(lambda b: b[: len(b) // 2], "BROKEN_PARQUET"))
    case(pa, "truncated-beginning", *shorter(lambda b: b"PAR1" + b[len(b) // 2:], "BROKEN_PARQUET"))

    def encrypted(footer):
        def work(path):
            import base64
            import pyarrow.parquet.encryption as pe

            class Kms(pe.KmsClient):
                def __init__(self, config):
                    pe.KmsClient.__init__(self)

                def wrap_key(self, key, name):
                    return base64.b64encode(key)

                def unwrap_key(self, wrapped, name):
                    return base64.b64decode(wrapped)
            factory = pe.CryptoFactory(Kms)
            config = pe.EncryptionConfiguration(footer_key="f", column_keys={"c": ["a"]}, plaintext_footer=not footer)
            props = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
            with pq.ParquetWriter(path, pa.schema([("a", pa.int32())]), encryption_properties=props) as writer:
                writer.write_table(pa.table({"a": pa.array([1, 2], pa.int32())}))
        return work
    case(pa, "encrypted", encrypted(True), "ENCRYPTED_PARQUET")
    case(pa, "encrypted-columns", encrypted(False), "ENCRYPTED_PARQUET")


def with_duckdb():
    con = duckdb.connect()
    kitchen = """select
        case when i % 5 = 3 then null else i end as x, i % 7 as few, (i % 2 = 0) as b, (i % 100)::tinyint as t, (i * 3 % 256)::utinyint as ut,
        (i % 30000)::smallint as sm, (9223372036854775807 - i)::bigint as big, (18446744073709551615 - i)::ubigint as ubig, i::hugeint as huge,
        i / 3 as d, (i / 3)::float as f, ((i * 12345) / 100)::decimal(18, 3) as dec18, (i / 7)::decimal(38, 10) as dec38, (i % 1000 / 10)::decimal(4, 1) as dec4,
        'text ' || i as s, case when i % 4 = 0 then null else 'g' || (i % 3) end as word, ('\\xAA' || chr((65 + i % 26)::int))::blob as bin,
        (date '2020-02-28' + i::int) as da, make_timestamp(1700000000000000 + i * 1000001) as ts, make_timestamp(i * 1000001)::timestamptz as tz,
        make_timestamp(i * 1000000)::timestamp_s as tss, make_timestamp(i * 1000)::timestamp_ms as tsms, make_timestamp(i * 1000)::timestamp_ns as tsns,
        (time '01:02:03.5' + interval (i) second) as ti, ('00000000-0000-0000-0000-0000000000' || (10 + i % 80))::uuid as u,
        (case when i % 2 = 0 then 'happy' else 'sad' end)::enum('happy', 'sad') as mood,
        [i, null, i + 1] as l, [['a', null], []] as ll, {'a': i, 'b': {'c': 'x' || i}} as st, map {'k' || i: i, 'z': null} as m,
        case when i % 3 = 0 then null else [{'q': i, 'r': [1.5, null]}] end as deep, null as nothing
        from range(ROWS) r(i)"""

    if SMALL:
        kitchen = kitchen.replace("ROWS", "12")

    def copy(sql, options=""):
        return lambda path: con.execute(f"copy ({sql}) to '{path}' (format parquet{options})")
    case(duckdb, "null", copy("select unnest([1, null]) x"))
    for codec in ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"]:
        case(duckdb, f"kitchen-{codec}", copy(kitchen.replace("ROWS", "150"), f", codec {codec}"))
        case(duckdb, f"kitchen-{codec}-v2", copy(kitchen.replace("ROWS", "150"), f", codec {codec}, parquet_version v2"))
    case(duckdb, "many", copy(kitchen.replace("ROWS", "6000"), ", row_group_size 2048"))
    case(duckdb, "many-v2", copy(kitchen.replace("ROWS", "6000"), ", row_group_size 4096, parquet_version v2, codec zstd"))
    case(duckdb, "no-rows", copy(kitchen.replace("ROWS", "0")))
    case(duckdb, "dictionary", copy("select i % 300 as a, 'w' || (i % 1000) as b, case when i % 11 = 0 then null else i % 3 end as c from range(20000) r(i)"))
    case(duckdb, "nulls", copy("select case when (i // 100) % 2 = 0 then null else i end as a, i % 255 as b from range(20000) r(i)"))
    case(duckdb, "booleans", copy("select i % 2 = 0 as a, case when i % 3 = 0 then null else i % 5 < 2 end as b from range(20000) r(i)", ", parquet_version v2"))
    case(duckdb, "interval", copy("select 'n' || i as n, interval (i) day as iv from range(5) r(i)"))
    case(duckdb, "json", copy("""select '{"a": [1, 2.5, null]}'::json as j from range(3) r(i)"""))
    case(duckdb, "bits-union", copy("select union_value(k := i) as un, i::varint::varchar as v, '0101'::bit as bi from range(3) r(i)"))
    mixed = {
        "5": "5", "'text'": '"text"', "true": "true", "1.25::decimal(10, 2)": "1.25", "'a longer text than sixty-three bytes, which has a header of its own'":
            '"a longer text than sixty-three bytes, which has a header of its own"',
        "-12345678901234567890123456789.5::decimal(38, 1)": "-12345678901234567890123456789.5", "1.5::double": "1.5", "0.1::float": "0.10000000149011612",
        "9007199254740993::bigint": "9007199254740993", "{'a': 1, 'b': ['x', null]}": '{"a": 1, "b": ["x", null]}', "[1, 2]": "[1, 2]",
        "timestamp '2020-01-01 00:00:00.123456'": '"2020-01-01T00:00:00.123456Z"', "timestamptz '2020-01-01 00:00:00.5+00'": '"2020-01-01T00:00:00.500000Z"',
        "timestamp_ns '2020-01-01 00:00:00.123456789'": '"2020-01-01T00:00:00.123456789Z"', "date '2020-02-03'": '"2020-02-03"',
        "time '01:02:03.000004'": '"01:02:03.000004"', "'\\x01\\xff'::blob": '"Af8="', "uuid '00000000-0000-0000-0000-00000000000a'": '"00000000-0000-0000-0000-00000000000a"',
    }
    for n, (sql, json) in enumerate(mixed.items()):
        case(duckdb, f"variant-{n}", copy(f"select ({sql})::variant as v"), rows=[f'{{"v": {json}}}'])
    objects = "select case when i % 3 = 0 then {'a': i}::variant when i % 3 = 1 then 'text'::variant else {'a': 'text', 'z': [i, null]}::variant end as v from range(60) r(i)"
    shredded = [('{"v": {"a": %d}}' % i, '{"v": "text"}', '{"v": {"a": "text", "z": [%d, null]}}' % i)[i % 3] for i in range(60)]
    case(duckdb, "variant-objects", copy(objects), rows=shredded)
    case(duckdb, "variant-shredded", copy(objects, ", shredding {v: 'struct(a bigint, b varchar)'}"), rows=shredded)
    case(duckdb, "variant-shredded-list", copy("select [i, i + 1]::variant as v from range(9) r(i)", ", shredding {v: 'bigint[]'}"),
         rows=['{"v": [%d, %d]}' % (i, i + 1) for i in range(9)])
    case(duckdb, "array", copy("select [i, i + 1, null]::integer[3] as a from range(9) r(i)"))
    case(duckdb, "encrypted", lambda path: (con.execute("pragma add_parquet_key('k', '0123456789112345')"),
         copy("select 1 as a", ", encryption_config {footer_key: 'k'}")(path)), "ENCRYPTED_PARQUET")


def with_polars():
    n = 12 if SMALL else 150
    frame = polars.DataFrame({
        "i": some(n, lambda i: i * 1000), "u": polars.Series(some(n, lambda i: 2**64 - 1 - i), dtype=polars.UInt64),
        "i8": polars.Series(some(n, lambda i: i - 100), dtype=polars.Int8), "f": some(n, lambda i: i / 3), "f32": polars.Series(some(n, lambda i: i / 3), dtype=polars.Float32),
        "s": some(n, lambda i: f"häßlich {i}"), "few": some(n, lambda i: f"w{i % 3}"), "b": some(n, lambda i: i % 3 == 0), "bin": some(n, lambda i: bytes([i % 256, 255])),
        "date": some(n, lambda i: dt.date(2020, 1, 1) + dt.timedelta(days=i)), "time": some(n, lambda i: dt.time(i % 24, 1, 2, i)),
        "dt": some(n, lambda i: START + dt.timedelta(microseconds=i)), "dur": some(n, lambda i: dt.timedelta(seconds=i)),
        "cat": polars.Series(some(n, lambda i: f"c{i % 5}"), dtype=polars.Categorical), "dec": polars.Series(some(n, lambda i: decimal.Decimal(i) / 100), dtype=polars.Decimal(20, 3)),
        "l": some(n, lambda i: list(range(i % 4))), "ll": some(n, lambda i: [[f"{i}"], []]), "st": some(n, lambda i: {"a": i, "b": [i]}),
        "arr": polars.Series([[i, i + 1] for i in range(n)], dtype=polars.Array(polars.Int32, 2)), "nothing": [None] * n,
    })
    frame = frame.with_columns(polars.col("dt").cast(polars.Datetime("ns")).alias("ns"), polars.col("dt").cast(polars.Datetime("ms")).alias("ms"),
                               polars.col("dt").dt.replace_time_zone("UTC").alias("utc"))
    for codec in ["uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4"]:
        case(polars, f"kitchen-{codec}", lambda path, codec=codec: frame.write_parquet(path, compression=codec))
    case(polars, "groups", lambda path: frame.write_parquet(path, row_group_size=40, data_page_size=64))
    case(polars, "statistics", lambda path: frame.write_parquet(path, statistics="full"))
    case(polars, "no-rows", lambda path: frame.head(0).write_parquet(path))
    case(polars, "lazy", lambda path: frame.lazy().sink_parquet(path))
    case(polars, "many", lambda path: polars.concat([frame.drop("cat")] * 30).write_parquet(path))


def with_fastparquet():
    import numpy as np
    import pandas as pd
    n = 12 if SMALL else 100
    frame = pd.DataFrame({
        "i": np.arange(n), "f": np.arange(n) / 7, "b": np.arange(n) % 2 == 0, "s": [f"text {i}" for i in range(n)],
        "none": [None if i % 4 == 1 else f"t{i}" for i in range(n)], "ts": pd.date_range("2020-01-01", periods=n, freq="37min"),
        "cat": pd.Categorical([f"c{i % 3}" for i in range(n)]), "i8": np.arange(n).astype("int8"), "u16": np.arange(n).astype("uint16"),
        "f32": (np.arange(n) / 3).astype("float32"), "ni": pd.array([None if i % 6 == 2 else i for i in range(n)], dtype="Int64"),
        "nb": pd.array([None if i % 6 == 2 else i % 2 == 0 for i in range(n)], dtype="boolean"), "nan": [np.nan if i % 3 == 0 else i for i in range(n)],
    })
    frame["s"] = frame["s"].astype(object)
    frame["none"] = frame["none"].astype(object)
    for codec in [None, "GZIP", "SNAPPY", "ZSTD", "LZ4", "LZ4_RAW", "BROTLI"]:
        case(fastparquet, f"kitchen-{codec}", lambda path, codec=codec: fastparquet.write(path, frame, compression=codec))
    case(fastparquet, "int96", lambda path: fastparquet.write(path, frame, times="int96"))
    case(fastparquet, "groups", lambda path: fastparquet.write(path, frame, row_group_offsets=33))
    case(fastparquet, "no-nulls", lambda path: fastparquet.write(path, frame.drop(columns=["none", "ni", "nb"]), has_nulls=False))
    case(fastparquet, "no-rows", lambda path: fastparquet.write(path, frame.head(0)))
    objects = pd.DataFrame({"j": pd.Series([{"a": [1, 2]}, [1, None], {"b": "x"}], dtype=object), "b": pd.Series([b"\x00\xff", b"", b"x"], dtype=object)})
    case(fastparquet, "json-bytes", lambda path: fastparquet.write(path, objects, object_encoding={"j": "json", "b": "bytes"}))
    os.environ["FASTPARQUET_DATAPAGE_V2"] = "1"


    def second(path):
        import fastparquet.writer as writer
        writer.DATAPAGE_VERSION = 2
        try:
            fastparquet.write(path, frame, compression="SNAPPY")
        finally:
            writer.DATAPAGE_VERSION = 1
    case(fastparquet, "page2", second)


for module, write in [(pa, with_pyarrow), (duckdb, with_duckdb), (polars, with_polars), (fastparquet, with_fastparquet)]:
    if module and (not ONLY or module.__name__ in ONLY):
        write()
for line in skipped:
    print("not known:", line)
print(f"{len([f for f in os.listdir(FOLDER) if f.endswith('.parquet')])} files in {FOLDER}")
