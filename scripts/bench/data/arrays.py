"""Arrow columns made of pools and positions in them: fast, and written as dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from scripts.bench.data.estate import Integers


def pick(pool: Sequence[str], positions: Integers) -> pa.DictionaryArray:
    """Text by positions in a pool, which is written as a dictionary."""
    found = pa.array(pool, pa.string()).dictionary_encode()  # a pool may repeat a text
    codes = found.indices.take(pa.array(positions))
    return pa.DictionaryArray.from_arrays(codes, found.dictionary)


def maps(
    pool: Sequence[Mapping[str, str]], positions: Integers, own: tuple[str, pa.Array] | None = None
) -> pa.MapArray:
    """Maps by positions in a pool; `own` is a key and each row's own value, put in front."""
    lengths = np.array([len(each) for each in pool], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    length = lengths[positions]
    offsets = np.concatenate([[0], np.cumsum(length)])
    at = np.repeat(starts[positions] - offsets[:-1], length) + np.arange(offsets[-1])
    names = [name for each in pool for name in each]
    values = [value for each in pool for value in each.values()]
    keys, items = pick(names, at), pick(values, at)
    if own is None:
        return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, items)
    front = offsets[:-1]  # np.insert puts each before the row's first entry
    key_codes = np.insert(keys.indices.to_numpy(), front, len(keys.dictionary))
    own_codes = len(items.dictionary) + np.arange(len(positions))
    item_codes = np.insert(items.indices.to_numpy(), front, own_codes)
    return pa.MapArray.from_arrays(
        offsets_of(length + 1),
        pa.DictionaryArray.from_arrays(
            pa.array(key_codes), pa.concat_arrays([keys.dictionary, pa.array([own[0]])])
        ),
        pa.DictionaryArray.from_arrays(
            pa.array(item_codes, pa.int32()), pa.concat_arrays([items.dictionary, own[1]])
        ),
    )


def texts(random: np.random.Generator, rows: int, prefix: bytes, digits: int) -> pa.StringArray:
    """A text of its own for each row: a prefix and random digits."""
    alphabet = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)
    width = len(prefix) + digits
    letters = np.empty((rows, width), np.uint8)
    letters[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    letters[:, len(prefix) :] = alphabet[random.integers(0, 32, (rows, digits), np.uint8)]
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(
        rows, pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes())
    )


def offsets_of(lengths: Integers) -> pa.Array:
    """Where each list begins, and the end of the last one."""
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
