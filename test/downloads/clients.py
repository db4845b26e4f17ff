"""Reads a URL with a Python library, and prints the SHA-256 of what it made of it: clients.py CLIENT URL"""
import hashlib
import io
import sys

import fsspec
import numpy
import pandas
import requests
from PIL import Image

client, url = sys.argv[1:]
if client == "make-parquet":
    numbers = numpy.random.default_rng(1).integers(0, 2**62, int(url) // 8)
    pandas.DataFrame({"x": numbers}).to_parquet(sys.stdout.buffer, compression=None)
    sys.exit()
Image.MAX_IMAGE_PIXELS = None


def pixels(file):
    image = Image.open(file)
    image.load()
    return image.tobytes()


def blocks():
    with fsspec.filesystem("http").open(url, block_size=5 * 2**20) as file:
        while block := file.read(2**20):
            yield block


def rows(file):
    return pandas.read_parquet(file)["x"].to_numpy().tobytes()


if client == "requests":
    parts = requests.get(url, stream=True, timeout=60).iter_content(2**20)
elif client == "requests-range":
    parts = requests.get(url, headers={"Range": "bytes=0-"}, stream=True, timeout=60).iter_content(2**20)
elif client == "fsspec":
    parts = [fsspec.filesystem("http").cat_file(url)]
elif client == "fsspec-range":
    parts = [fsspec.filesystem("http").cat_file(url, start=0, end=2**40)]
elif client == "fsspec-blocks":
    parts = blocks()
elif client == "pandas":
    with fsspec.open(url) as file:
        parts = [rows(file)]
elif client == "pil":
    parts = [pixels(io.BytesIO(requests.get(url, timeout=60).content))]
else:
    sys.exit("unknown client")
digest = hashlib.sha256()
for part in parts:
    digest.update(part)
print(digest.hexdigest())
