# The compiled form of octets.py, in line; the interpreter never reads this file. No argument may
# be None, and no index may lie outside its text.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp, memcpy


cdef inline Py_ssize_t find(bytes text, bytes needle, Py_ssize_t start) noexcept:
    cdef const char* base = PyBytes_AS_STRING(text)
    cdef const char* wanted = PyBytes_AS_STRING(needle)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(needle)
    cdef Py_ssize_t last = PyBytes_GET_SIZE(text) - size
    cdef const char* hit
    while start <= last:
        hit = <const char*>memchr(base + start, wanted[0], last - start + 1)
        if hit is NULL:
            return -1
        if memcmp(hit, wanted, size) == 0:
            return hit - base
        start = hit - base + 1
    return -1


cdef inline bint starts(bytes text, bytes prefix, Py_ssize_t start) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(prefix)
    return PyBytes_GET_SIZE(text) - start >= size and memcmp(
        PyBytes_AS_STRING(text) + start, PyBytes_AS_STRING(prefix), size
    ) == 0


cdef inline bint all_start(list lines, tuple prefixes) noexcept:
    cdef Py_ssize_t at
    for at in range(len(prefixes)):
        if not starts(<bytes>lines[at], <bytes>prefixes[at], 0):
            return False
    return True


cdef inline list split(bytes text, bytes separator):
    cdef list pieces = []
    cdef const char* base = PyBytes_AS_STRING(text)
    cdef Py_ssize_t begin = 0
    cdef Py_ssize_t at = find(text, separator, 0)
    while at >= 0:
        pieces.append(PyBytes_FromStringAndSize(base + begin, at - begin))
        begin = at + PyBytes_GET_SIZE(separator)
        at = find(text, separator, begin)
    pieces.append(PyBytes_FromStringAndSize(base + begin, PyBytes_GET_SIZE(text) - begin))
    return pieces


cdef inline bint is_only(bytes text, bytes table) noexcept:
    cdef const unsigned char* octets = <const unsigned char*>PyBytes_AS_STRING(text)
    cdef const unsigned char* good = <const unsigned char*>PyBytes_AS_STRING(table)
    cdef Py_ssize_t at
    for at in range(PyBytes_GET_SIZE(text)):
        if good[octets[at]] != octets[at]:
            return False
    return True


cdef inline long long number(bytes text) noexcept:
    cdef const unsigned char* octets = <const unsigned char*>PyBytes_AS_STRING(text)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
    cdef Py_ssize_t at
    cdef long long value = 0
    if size == 0 or size > 10:
        return -1
    for at in range(size):
        if octets[at] < 0x30 or octets[at] > 0x39:
            return -1
        value = value * 10 + (octets[at] - 0x30)
    return value


cdef inline bytes value_after(bytes line, Py_ssize_t cut):
    cdef const char* octets = PyBytes_AS_STRING(line)
    cdef Py_ssize_t end = PyBytes_GET_SIZE(line)
    while cut < end and (octets[cut] == 0x20 or octets[cut] == 0x09):
        cut += 1
    while cut < end and (octets[end - 1] == 0x20 or octets[end - 1] == 0x09):
        end -= 1
    return PyBytes_FromStringAndSize(octets + cut, end - cut) if cut < end else b""


cdef inline bint _is_text(const unsigned char* octets, Py_ssize_t size) noexcept:
    # Eight octets at a time: a borrow into the top bit of an octet tells that it is below 0x20,
    # or, after the exclusive or, that it is 0x7F.
    cdef unsigned long long low = 0x0101010101010101
    cdef unsigned long long high = 0x8080808080808080
    cdef unsigned long long word, delete
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t stop
    while at < size:
        stop = at + 8
        if stop <= size:
            memcpy(&word, octets + at, 8)
            delete = word ^ (low * 0x7F)
            if ((word - low * 0x20) & ~word & high) | ((delete - low) & ~delete & high) == 0:
                at = stop
                continue
        else:
            stop = size
        while at < stop:
            if (octets[at] < 0x20 and octets[at] != 0x09) or octets[at] == 0x7F:
                return False
            at += 1
    return True


cdef inline list text_lines(bytes data, Py_ssize_t end):
    cdef list lines = []
    cdef const char* base = PyBytes_AS_STRING(data)
    cdef const char* hit
    cdef Py_ssize_t begin = 0
    cdef Py_ssize_t at
    while True:
        hit = <const char*>memchr(base + begin, 0x0D, end - begin)
        at = end if hit is NULL else hit - base
        if not _is_text(<const unsigned char*>base + begin, at - begin):
            return None
        if at < end and (at + 1 == end or base[at + 1] != 0x0A):
            return None
        lines.append(PyBytes_FromStringAndSize(base + begin, at - begin))
        if at == end:
            return lines
        begin = at + 2
