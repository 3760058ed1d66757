# cython: language_level=3, boundscheck=False, wraparound=False
"""Puts spans into blocks, and gathers those of a trace out of them: the two loops of `streams.block` in machine code."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

cdef enum:
    ID = 16  # bytes of a trace's id, and of a span's with its parent's
    ENTRY = ID + 12  # bytes of an entry without ids

ctypedef uint8_t* Place


def entry(fragment, numbers):
    """What a block holds of a fragment's spans, and how many bytes these are as they came.

    `numbers` gives each kind its number in the block.
    """
    cdef list kinds = fragment.kinds, spans = fragment.spans, heads = fragment.heads
    cdef Py_ssize_t count = len(spans), number, head, size, whole = 0, needed = 8 * count
    if len(kinds) != count or len(heads) != count:
        raise ValueError("the lists of a fragment are not of one length")
    for number in range(count):
        size = PyBytes_GET_SIZE(<bytes?> spans[number])
        head = heads[number]
        if not 0 <= head <= size:
            raise ValueError("the head of a span is longer than the span")
        whole += size
        needed += size - head
    cdef bytes made = PyBytes_FromStringAndSize(NULL, needed)
    cdef Place place = <Place> PyBytes_AS_STRING(made)
    cdef Place to = place + 8 * count
    cdef PyObject* known
    for number in range(count):
        kind = kinds[number]
        known = PyDict_GetItem(numbers, kind)
        put(place + 4 * number, numbers[kind] if known == NULL else <object> known)
        span = <bytes> spans[number]
        head = heads[number]
        size = PyBytes_GET_SIZE(span) - head
        put(place + 4 * (count + number), size)
        memcpy(to, PyBytes_AS_STRING(span) + head, size)
        to += size
    return made, whole


def gathered(places):
    """What is told of the spans of the entries at those places of blocks, in order.

    Their ids, joined, and lists of names, origins, what each span stands in, and where it starts and ends.
    """
    cdef list ids = [], names = [], origins = [], contents = [], starts = [], ends = []
    cdef bytes data, payload
    cdef list kinds
    cdef tuple kind
    cdef Place place
    cdef Py_ssize_t at, count, number, start, end, of
    for block, at in places:
        if not block.payload:
            block.open()
        payload = block.payload
        kinds = block.kinds
        data = block.data
        if not 0 <= at <= PyBytes_GET_SIZE(data) - ENTRY:
            raise ValueError("an entry stands outside of its block")
        place = <Place> PyBytes_AS_STRING(data) + at + ID
        count, start = get(place), get(place + 4)
        if count > (PyBytes_GET_SIZE(data) - at - ENTRY) // ID:
            raise ValueError("the ids of an entry stand outside of its block")
        ids.append(PyBytes_FromStringAndSize(<const char*> place + ENTRY - ID, ID * count))
        end = start + 8 * count
        if end > PyBytes_GET_SIZE(payload):
            raise ValueError("the spans of an entry stand outside of its block")
        place = <Place> PyBytes_AS_STRING(payload) + start
        for number in range(count):
            of = get(place + 4 * number)
            start = end
            end += get(place + 4 * (count + number))
            if of >= len(kinds) or end > PyBytes_GET_SIZE(payload):
                raise ValueError("a span stands outside of its block")
            kind = kinds[of]
            names.append(kind[0])
            origins.append(kind[1])
            contents.append(payload)
            starts.append(start)
            ends.append(end)
    return b"".join(ids), names, origins, contents, starts, ends


cdef inline void put(Place place, Py_ssize_t number) noexcept:
    cdef uint32_t value = <uint32_t> number
    place[0], place[1], place[2], place[3] = value & 0xFF, value >> 8 & 0xFF, value >> 16 & 0xFF, value >> 24


cdef inline Py_ssize_t get(Place place) noexcept:
    """A number of four bytes."""
    return place[0] | place[1] << 8 | place[2] << 16 | <Py_ssize_t> place[3] << 24
