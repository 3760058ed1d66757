# cython: language_level=3, boundscheck=False, wraparound=False
"""Cuts a plain OTLP message by trace without parsing it: what `streams.split` does, in machine code.

Plain is a message of fields that OTLP has, in their usual form, whose spans can all be judged. Anything else is
left to `streams.split` and protobuf, and what is taken here is taken as they would.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from streams.fragment import Fragment
from streams.kinds import Prefix
from streams.own_spans import SCOPE as OWN_SCOPE

ctypedef const uint8_t* Place

cdef enum:  # what a field holds; a message is the row of FIELDS that tells its own
    UNKNOWN, VARINT, FIXED64, FIXED32, BINARY, TEXT,
    REQUEST, RESOURCE_SPANS, RESOURCE, ENTITY, SCOPE_SPANS, SCOPE, SPAN, EVENT, LINK, STATUS,
    ATTRIBUTE, VALUE, VALUES, ATTRIBUTES, ROWS

cdef enum:
    NUMBERS = 17  # of fields, from 0
    DEEPEST = 40  # messages in one another; protobuf takes a hundred

cdef uint8_t FIELDS[ROWS][NUMBERS]
memset(FIELDS, UNKNOWN, sizeof(FIELDS))
for _message, _fields in {  # opentelemetry/proto/{collector/trace,trace,resource,common}/v1
    REQUEST: {1: RESOURCE_SPANS},
    RESOURCE_SPANS: {1: RESOURCE, 2: SCOPE_SPANS, 3: TEXT},
    RESOURCE: {1: ATTRIBUTE, 2: VARINT, 3: ENTITY},
    ENTITY: {1: TEXT, 2: TEXT, 3: TEXT, 4: TEXT},
    SCOPE_SPANS: {1: SCOPE, 2: SPAN, 3: TEXT},
    SCOPE: {1: TEXT, 2: TEXT, 3: ATTRIBUTE, 4: VARINT},
    SPAN: {
        1: BINARY, 2: BINARY, 3: TEXT, 4: BINARY, 5: TEXT, 6: VARINT, 7: FIXED64, 8: FIXED64, 9: ATTRIBUTE,
        10: VARINT, 11: EVENT, 12: VARINT, 13: LINK, 14: VARINT, 15: STATUS, 16: FIXED32,
    },
    EVENT: {1: FIXED64, 2: TEXT, 3: ATTRIBUTE, 4: VARINT},
    LINK: {1: BINARY, 2: BINARY, 3: TEXT, 4: ATTRIBUTE, 5: VARINT, 6: FIXED32},
    STATUS: {2: TEXT, 3: VARINT},
    ATTRIBUTE: {1: TEXT, 2: VALUE},
    VALUE: {1: TEXT, 2: VARINT, 3: VARINT, 4: FIXED64, 5: VALUES, 6: ATTRIBUTES, 7: BINARY},
    VALUES: {1: VALUE},
    ATTRIBUTES: {1: ATTRIBUTE},
}.items():
    for _number, _holds in _fields.items():
        FIELDS[_message][_number] = _holds

cdef bytes OWN = OWN_SCOPE.encode()


cdef struct Field:
    Place start  # NULL for a field that is not there
    Place value
    Place end
    int number
    int holds


def scan(bytes data not None, known):
    """The fragments of a serialised ExportTraceServiceRequest, by trace id; None if it is not plain.

    With them come how many spans they hold, and how many bytes their kinds add to a block (`Split.common`);
    `known` are `streams.kinds.Kinds`.
    """
    made = _Scan(known)
    cdef Place start = <Place> PyBytes_AS_STRING(data)
    if made.request(start, start + PyBytes_GET_SIZE(data)):
        return made.fragments, made.received, made.common
    return None


cdef class _Scan:
    """A message being cut; each method says whether what it saw is plain."""

    cdef dict fragments
    cdef object known
    cdef Py_ssize_t received, common

    def __cinit__(self, known):
        self.fragments = {}
        self.known = known

    cdef int request(self, Place at, Place end) except -1:
        cdef Field field
        while at < end:
            if not read(&field, at, end, REQUEST) or not self.resource(field.value, field.end):
                return False
            at = field.end
        return True

    cdef int resource(self, Place at, Place end) except -1:
        cdef Field field
        cdef bytes prefix = without(SCOPE_SPANS, at, end, RESOURCE_SPANS)
        if prefix is None:
            return False
        while at < end:
            read(&field, at, end, RESOURCE_SPANS)
            if field.holds == SCOPE_SPANS and not self.scope(prefix, field.value, field.end):
                return False
            at = field.end
        return True

    cdef int scope(self, bytes resource, Place at, Place end) except -1:
        cdef Field field
        cdef bytes prefix = without(SPAN, at, end, SCOPE_SPANS)
        if prefix is None or OWN in prefix:
            return False
        kinds = self.known.under(Prefix(resource, prefix))
        while at < end:
            read(&field, at, end, SCOPE_SPANS)
            if field.holds == SPAN and not self.span(kinds, field.value, field.end):
                return False
            at = field.end
        self.common += kinds.size
        return True

    cdef int span(self, object kinds, Place at, Place end) except -1:
        cdef Field field
        cdef Field told[6]  # ids and name
        cdef Place here = at
        cdef PyObject* found
        memset(told, 0, sizeof(told))
        while here < end:
            if not read(&field, here, end, SPAN) or not is_plain(&field, 0):
                return False
            if field.number <= 5 and field.number != 3:
                if told[field.number].start != NULL:
                    return False
                told[field.number] = field
            here = field.end
        if not (is_id(&told[1], 16) and is_id(&told[2], 8) and (size_of(&told[4]) in (0, 8))):
            return False
        cdef bytes trace_id = PyBytes_FromStringAndSize(<const char*> told[1].value, 16)
        cdef bytes ids = PyBytes_FromStringAndSize(NULL, 16)
        cdef char* both = PyBytes_AS_STRING(ids)
        memcpy(both, told[2].value, 8)
        memset(both + 8, 0, 8)
        if size_of(&told[4]):
            memcpy(both + 8, told[4].value, 8)
        cdef str name = PyUnicode_DecodeUTF8(<const char*> told[5].value, size_of(&told[5]), NULL)
        found = PyDict_GetItem(kinds, name)
        kind = kinds[name] if found == NULL else <object> found
        found = PyDict_GetItem(self.fragments, trace_id)
        if found == NULL:
            fragment = self.fragments[trace_id] = Fragment()
        else:
            fragment = <object> found
        (<list> fragment.ids).append(ids)
        (<list> fragment.spans).append(PyBytes_FromStringAndSize(<const char*> at, end - at))
        (<list> fragment.kinds).append(kind)
        (<list> fragment.heads).append(head(at, told))
        self.received += 1
        return True


cdef bint read(Field* field, Place at, Place end, int message) noexcept:
    """Read a message's next field: whether it is a known one and ends in time."""
    cdef int wire = at[0] & 7
    cdef Py_ssize_t size
    cdef int shift
    field.start = at
    field.number = at[0] >> 3
    if at[0] >= 0x80:
        if at[0] != 0x85 or end - at < 2 or at[1] != 1:  # of two bytes there is the tag of a span's flags alone
            return False
        field.number = 16
        at += 1
    at += 1
    field.holds = FIELDS[message][field.number]
    field.value = at
    if field.holds == UNKNOWN:
        return False
    if field.holds == VARINT:
        while at < end and at[0] >= 0x80:
            at += 1
        field.end = at + 1
        return wire == 0 and at < end and (at - field.value < 9 or (at - field.value == 9 and at[0] == 1))
    if field.holds == FIXED64:
        field.end = at + 8
        return wire == 1 and end - at >= 8
    if field.holds == FIXED32:
        field.end = at + 4
        return wire == 5 and end - at >= 4
    size = shift = 0
    while at < end and at[0] >= 0x80 and shift < 21:
        size |= <Py_ssize_t> (at[0] & 0x7F) << shift
        shift += 7
        at += 1
    if wire != 2 or at >= end or at[0] >= 0x80:
        return False
    size |= <Py_ssize_t> at[0] << shift
    field.value = at + 1
    field.end = field.value + size
    return size <= end - field.value


cdef int is_plain(Field* field, int depth) except -1:
    """Whether what a field holds is plain down to the last message in it."""
    cdef Field inner
    cdef Place at = field.value
    if field.holds < TEXT:
        return True
    if field.holds == TEXT:
        return is_text(at, field.end)
    if depth == DEEPEST:
        return False
    while at < field.end:
        if not read(&inner, at, field.end, field.holds) or not is_plain(&inner, depth + 1):
            return False
        at = inner.end
    return True


cdef int is_text(Place at, Place end) except -1:
    """Whether that is UTF-8."""
    cdef Place here = at
    cdef uint64_t eight
    while end - here >= 8:
        memcpy(&eight, here, 8)
        if eight & <uint64_t> 0x8080808080808080:
            break
        here += 8
    while here < end and here[0] < 0x80:
        here += 1
    if here < end:
        try:
            PyUnicode_DecodeUTF8(<const char*> at, end - at, NULL)
        except UnicodeDecodeError:
            return False
    return True


cdef bytes without(int left_out, Place at, Place end, int message):
    """A message without its fields that hold something; None if it is not plain up to these."""
    cdef Field field
    cdef Place run = at
    cdef list parts = []
    while at < end:
        if not read(&field, at, end, message):
            return None
        if field.holds == left_out:
            parts.append(PyBytes_FromStringAndSize(<const char*> run, at - run))
            run = field.end
        elif not is_plain(&field, 0):
            return None
        at = field.end
    parts.append(PyBytes_FromStringAndSize(<const char*> run, end - run))
    return b"".join(parts)


cdef inline Py_ssize_t size_of(Field* field) noexcept:
    return field.end - field.value


cdef bint is_id(Field* field, Py_ssize_t size) noexcept:
    """Whether that is an id of so many bytes, which is not zero."""
    cdef Py_ssize_t number
    if size_of(field) != size:
        return False
    for number in range(size):
        if field.value[number] != 0:
            return True
    return False


cdef Py_ssize_t head(Place start, Field* told) noexcept:
    """`Fragment.heads` of a span."""
    cdef Place at = start
    cdef int number
    for number in (1, 2, 4, 5):
        field = &told[number]
        if number > 2 and size_of(field) == 0:
            continue
        if field.start != at or field.value - at != 1 + varint_size(size_of(field)):
            return 0
        at = field.end
    return at - start


cdef inline int varint_size(Py_ssize_t number) noexcept:
    cdef int size = 1
    while number >= 0x80:
        number >>= 7
        size += 1
    return size
