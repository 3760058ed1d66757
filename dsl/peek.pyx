# cython: language_level=3, boundscheck=False, wraparound=False
"""Looks in the bytes of a span for what rules ask first: `dsl.look` in machine code."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, Py_NE, PyObject_RichCompareBool
from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy

from google.protobuf.message import DecodeError

from dsl.attributes import plain
from dsl.values import is_number

ctypedef const uint8_t* Place

cdef enum:  # how the end of a field is told
    VARINT = 0
    FIXED64 = 1
    SIZED = 2
    FIXED32 = 5

cdef enum:  # numbers of fields
    ATTRIBUTES = 9  # of a span
    KEY = 1
    VALUE = 2

cdef enum:  # tags of what a value is
    BOOL = 0x10
    INT = 0x18
    DOUBLE = 0x21

cdef enum:  # what looking came to
    DOUBT = -1
    NO = 0
    YES = 1

cdef dict OPERATORS = {"==": Py_EQ, "!=": Py_NE, "<": Py_LT, "<=": Py_LE, ">": Py_GT, ">=": Py_GE}


cdef struct Field:
    int number
    int wire
    Place value
    Place end


cdef class Look:
    """Tells whether the attribute of a key is within a bound, in the bytes of a span.

    None if that takes parsing, as the bytes are not those of a span.
    """

    cdef readonly str key
    cdef bytes _text
    cdef object _literal
    cdef int _operator
    cdef bint _is_number

    def __init__(self, str key not None, str op not None, literal):
        self.key = key
        self._text = key.encode()
        self._literal = literal
        self._operator = OPERATORS[op]
        self._is_number = is_number(literal)

    def __call__(self, bytes data not None, Py_ssize_t start, Py_ssize_t end):
        """Look from one place to another."""
        cdef int holds = self.at(data, start, end)
        return None if holds == DOUBT else holds == YES

    cdef int at(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -2:
        cdef Field field, value, found
        cdef Place here = <Place> PyBytes_AS_STRING(data) + start
        cdef Place last = <Place> PyBytes_AS_STRING(data) + end
        if not 0 <= start <= end <= PyBytes_GET_SIZE(data):
            return DOUBT
        found.value = NULL
        while here < last:
            if not read(&field, here, last):
                return DOUBT
            here = field.end
            if field.number == ATTRIBUTES and field.wire == SIZED:
                if not self.read_value(&value, &field):
                    return DOUBT
                if value.value != NULL:
                    found = value
        return NO if found.value == NULL else self.is_within(found.value, found.end)

    cdef bint read_value(self, Field* value, Field* attribute) noexcept:
        """Read the value of an attribute, NULL if it has another key; whether there is nothing else in it."""
        cdef Field field
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self._text)
        cdef Place here = attribute.value
        cdef bint same = False
        value.value = value.end = attribute.end  # empty, if there is none
        while here < attribute.end:
            if not read(&field, here, attribute.end):
                return False
            here = field.end
            if field.wire == SIZED and field.number == KEY:
                same = here - field.value == size and memcmp(field.value, PyBytes_AS_STRING(self._text), size) == 0
            elif field.wire == SIZED and field.number == VALUE:
                value[0] = field
            else:
                return False
        if not same:
            value.value = NULL
        return True

    cdef int is_within(self, Place value, Place end) except -2:
        """Whether a value is, or is of a type that does not compare."""
        cdef Py_ssize_t size = end - value
        cdef double number
        cdef object read
        if size == 2 and value[0] == INT:
            read = <int> value[1]
        elif size == 3 and value[0] == INT:
            read = <int> (value[1] & 0x7F | value[2] << 7)
        elif size == 2 and value[0] == BOOL:
            return YES
        elif size == 9 and value[0] == DOUBLE:
            memcpy(&number, value + 1, 8)
            read = number
        else:
            try:
                read = plain(PyBytes_FromStringAndSize(<const char*> value, size))
            except (DecodeError, UnicodeDecodeError):
                return DOUBT
            if read is None:
                return NO
        if type(read) in (int, float) if self._is_number else type(read) is str:
            return PyObject_RichCompareBool(read, self._literal, self._operator)
        return YES


def holding(dict looks not None, trace, Py_ssize_t max_steps):
    """The rules that may apply to a trace that is stored; in so many steps at most that is found out.

    `looks` tells what rules, by number, ask of the spans of a name.
    """
    cdef list found = [], numbers, asked
    cdef int holds
    cdef Look look
    cdef bytes data
    cdef Py_ssize_t start, end
    cdef PyObject* entry
    contents, starts, ends = trace.stored
    origins = trace.origins
    for name, numbers in (<dict?> trace.names).items():
        entry = PyDict_GetItem(looks, name)
        if entry == NULL:
            continue
        asked = <list?> <object> entry
        if len(numbers) > max_steps:
            found += [rule for rule, _, _ in asked]
            continue
        for number in numbers:
            data, start, end = contents[number], starts[number], ends[number]
            of_resource = origins[number].keys
            for rule, asker, look in asked:
                holds = DOUBT if look.key in of_resource else look.at(data, start, end)
                if holds == YES or (holds == DOUBT and asker.may_hold(trace, (number,))):
                    found.append(rule)
    return found


cdef bint read(Field* field, Place at, Place end) noexcept:
    """Read the next field of a message: whether it is well-formed."""
    cdef Py_ssize_t size
    cdef int shift
    if at[0] >= 0x80:
        if end - at < 2 or at[1] >= 0x80:
            return False
        field.number = (at[0] & 0x7F | at[1] << 7) >> 3
        field.wire = at[0] & 7
        at += 2
    else:
        field.number = at[0] >> 3
        field.wire = at[0] & 7
        at += 1
    field.value = at
    if field.wire == SIZED:
        size = shift = 0
        while at < end and at[0] >= 0x80 and shift < 28:
            size |= <Py_ssize_t> (at[0] & 0x7F) << shift
            shift += 7
            at += 1
        if at == end or at[0] >= 0x80:
            return False
        size |= <Py_ssize_t> at[0] << shift
        field.value = at + 1
        field.end = field.value + size
        return size <= end - field.value
    if field.wire == VARINT:
        while at < end and at[0] >= 0x80:
            at += 1
        field.end = at + 1
    elif field.wire == FIXED64:
        field.end = at + 8
    elif field.wire == FIXED32:
        field.end = at + 4
    else:
        return False
    return field.end - field.value <= end - field.value
