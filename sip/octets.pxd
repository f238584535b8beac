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


cdef enum:
    MARKED_LINES = 60

cdef struct Marks:
    int at[MARKED_LINES]
    int count


cdef inline unsigned long long _mix(const char* octets, Py_ssize_t size) noexcept:
    # Eight octets at a time; which texts meet in a place harms nobody.
    cdef unsigned long long state = <unsigned long long>size * 0x9E3779B97F4A7C15ULL
    cdef unsigned long long word
    while size >= 8:
        memcpy(&word, octets, 8)
        state = (state ^ word) * 0x9FB21C651E98DF25ULL
        state ^= state >> 32
        octets += 8
        size -= 8
    word = 0
    if size:
        memcpy(&word, octets, size)
        state = (state ^ word) * 0x9FB21C651E98DF25ULL
    return state ^ (state >> 29)


cdef inline Py_ssize_t mix(bytes text, Py_ssize_t start, Py_ssize_t stop) noexcept:
    return <Py_ssize_t>(_mix(PyBytes_AS_STRING(text) + start, stop - start) >> 1)


cdef inline bint same(bytes text, Py_ssize_t start, Py_ssize_t stop, bytes other) noexcept:
    return PyBytes_GET_SIZE(other) == stop - start and memcmp(
        PyBytes_AS_STRING(text) + start, PyBytes_AS_STRING(other), stop - start
    ) == 0


cdef inline Py_ssize_t find_octet(
    bytes text, bytes octet, Py_ssize_t start, Py_ssize_t stop
) noexcept:
    cdef const char* base = PyBytes_AS_STRING(text)
    cdef const char* hit
    if start >= stop:
        return -1
    hit = <const char*>memchr(base + start, PyBytes_AS_STRING(octet)[0], stop - start)
    return -1 if hit is NULL else hit - base


cdef inline Py_ssize_t find_in(
    bytes text, bytes needle, Py_ssize_t start, Py_ssize_t stop
) noexcept:
    cdef const char* base = PyBytes_AS_STRING(text)
    cdef const char* wanted = PyBytes_AS_STRING(needle)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(needle)
    cdef const char* hit
    while stop - start >= size:
        hit = <const char*>memchr(base + start, wanted[0], stop - start - size + 1)
        if hit is NULL:
            return -1
        if memcmp(hit, wanted, size) == 0:
            return hit - base
        start = hit - base + 1
    return -1


cdef inline bint only_in(bytes text, bytes table, Py_ssize_t start, Py_ssize_t stop) noexcept:
    cdef const unsigned char* octets = <const unsigned char*>PyBytes_AS_STRING(text)
    cdef const unsigned char* good = <const unsigned char*>PyBytes_AS_STRING(table)
    cdef Py_ssize_t at
    for at in range(start, stop):
        if good[octets[at]] != octets[at]:
            return False
    return start < stop


cdef inline long long number_in(bytes text, Py_ssize_t start, Py_ssize_t stop) noexcept:
    cdef const unsigned char* octets = <const unsigned char*>PyBytes_AS_STRING(text)
    cdef long long value = 0
    while start < stop and octets[start] == 0x20:
        start += 1
    if stop <= start or stop - start > 10:
        return -1
    while start < stop:
        if octets[start] < 0x30 or octets[start] > 0x39:
            return -1
        value = value * 10 + (octets[start] - 0x30)
        start += 1
    return value


cdef inline long long hex_number(bytes text, Py_ssize_t start, Py_ssize_t stop) noexcept:
    cdef const unsigned char* octets = <const unsigned char*>PyBytes_AS_STRING(text)
    cdef long long value = 0
    cdef unsigned char octet
    if stop > PyBytes_GET_SIZE(text):
        stop = PyBytes_GET_SIZE(text)
    if start >= stop:
        return -1
    while start < stop:
        octet = octets[start]
        if 0x30 <= octet <= 0x39:
            octet -= 0x30
        elif 0x61 <= (octet | 0x20) <= 0x66:
            octet = (octet | 0x20) - 0x57
        else:
            return -1
        value = value << 4 | octet
        start += 1
    return value


cdef inline bint same_secret(bytes one, bytes other) noexcept:
    cdef const unsigned char* first = <const unsigned char*>PyBytes_AS_STRING(one)
    cdef const unsigned char* second = <const unsigned char*>PyBytes_AS_STRING(other)
    cdef unsigned char difference = 0
    cdef Py_ssize_t at
    if PyBytes_GET_SIZE(one) != PyBytes_GET_SIZE(other):
        return False
    for at in range(PyBytes_GET_SIZE(one)):
        difference |= first[at] ^ second[at]
    return difference == 0


cdef inline Marks mark_lines(bytes data) noexcept:
    cdef Marks marks
    cdef const char* base = PyBytes_AS_STRING(data)
    cdef const char* hit
    cdef Py_ssize_t total = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t begin = 0
    cdef Py_ssize_t at
    cdef int count = 0
    marks.count = -1
    while count < MARKED_LINES:
        hit = <const char*>memchr(base + begin, 0x0D, total - begin)
        if hit is NULL:
            break
        at = hit - base
        if at + 1 >= total or base[at + 1] != 0x0A:
            break
        if at == begin:
            marks.count = count - 1
            break
        if not _is_text(<const unsigned char*>base + begin, at - begin):
            break
        begin = at + 2
        marks.at[count] = <int>begin
        count += 1
    return marks


cdef inline bint all_start_at(bytes data, int* marks, tuple prefixes) noexcept:
    cdef Py_ssize_t at
    for at in range(len(prefixes)):
        if not starts(data, <bytes>prefixes[at], marks[at]):
            return False
    return True


cdef inline char* _put(char* room, const char* octets, Py_ssize_t size) noexcept:
    memcpy(room, octets, size)
    return room + size


cdef inline char* _put_all(char* room, bytes text) noexcept:
    return _put(room, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef inline bytes concat(bytes one, bytes two, bytes three, bytes four):
    cdef bytes whole = PyBytes_FromStringAndSize(NULL, (
        PyBytes_GET_SIZE(one) + PyBytes_GET_SIZE(two) + PyBytes_GET_SIZE(three)
        + PyBytes_GET_SIZE(four)
    ))
    cdef char* room = PyBytes_AS_STRING(whole)
    _put_all(_put_all(_put_all(_put_all(room, one), two), three), four)
    return whole


cdef inline bytes concat_all(tuple pieces):
    cdef Py_ssize_t size = 0
    cdef bytes piece
    for piece in pieces:
        size += PyBytes_GET_SIZE(piece)
    cdef bytes whole = PyBytes_FromStringAndSize(NULL, size)
    cdef char* room = PyBytes_AS_STRING(whole)
    for piece in pieces:
        room = _put_all(room, piece)
    return whole


cdef inline Py_ssize_t count(bytes text, bytes octet) noexcept:
    cdef const char* base = PyBytes_AS_STRING(text)
    cdef const char* stop = base + PyBytes_GET_SIZE(text)
    cdef int wanted = PyBytes_AS_STRING(octet)[0]
    cdef Py_ssize_t found = 0
    while True:
        base = <const char*>memchr(base, wanted, stop - base)
        if base is NULL:
            return found
        found += 1
        base += 1


cdef inline bytes join(bytes separator, list parts):
    cdef Py_ssize_t total = len(parts)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(separator) * (total - 1)
    cdef Py_ssize_t at
    cdef bytes whole
    cdef char* room
    if total == 0:
        return b""
    for at in range(total):
        size += PyBytes_GET_SIZE(<bytes>parts[at])
    whole = PyBytes_FromStringAndSize(NULL, size)
    room = _put_all(PyBytes_AS_STRING(whole), <bytes>parts[0])
    for at in range(1, total):
        room = _put_all(_put_all(room, separator), <bytes>parts[at])
    return whole


cdef inline bytes insert(
    bytes front, bytes text, Py_ssize_t start, Py_ssize_t at, bytes middle, Py_ssize_t stop
):
    cdef const char* base = PyBytes_AS_STRING(text)
    cdef bytes whole = PyBytes_FromStringAndSize(
        NULL, PyBytes_GET_SIZE(front) + stop - start + PyBytes_GET_SIZE(middle)
    )
    cdef char* room = _put_all(PyBytes_AS_STRING(whole), front)
    room = _put(room, base + start, at - start)
    room = _put_all(room, middle)
    _put(room, base + at, stop - at)
    return whole


cdef inline bytes leave_out(bytes text, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t end):
    cdef const char* base = PyBytes_AS_STRING(text)
    cdef bytes whole = PyBytes_FromStringAndSize(NULL, end - (stop - start))
    cdef char* room = _put(PyBytes_AS_STRING(whole), base, start)
    _put(room, base + stop, end - stop)
    return whole


cdef inline bytes replace_two(
    bytes front,
    bytes text,
    Py_ssize_t begin,
    Py_ssize_t one_at,
    Py_ssize_t one_to,
    bytes one,
    Py_ssize_t two_at,
    Py_ssize_t two_to,
    bytes two,
    Py_ssize_t middle_at,
    bytes middle,
    Py_ssize_t stop,
):
    cdef const char* base = PyBytes_AS_STRING(text)
    cdef bytes whole = PyBytes_FromStringAndSize(NULL, (
        PyBytes_GET_SIZE(front) + stop - begin
        + PyBytes_GET_SIZE(one) - (one_to - one_at)
        + PyBytes_GET_SIZE(two) - (two_to - two_at)
        + PyBytes_GET_SIZE(middle)
    ))
    cdef char* room = _put_all(PyBytes_AS_STRING(whole), front)
    room = _put(room, base + begin, one_at - begin)
    room = _put_all(room, one)
    room = _put(room, base + one_to, two_at - one_to)
    room = _put_all(room, two)
    room = _put(room, base + two_to, middle_at - two_to)
    room = _put_all(room, middle)
    _put(room, base + middle_at, stop - middle_at)
    return whole


cdef inline bytes decimal(long long number):
    cdef char room[20]
    cdef char* at = room + 20
    cdef unsigned long long left = number
    if number < 0:
        left = 0 - left
    while True:
        at -= 1
        at[0] = <char>(0x30 + left % 10)
        left //= 10
        if left == 0:
            break
    if number < 0:
        at -= 1
        at[0] = 0x2D
    return PyBytes_FromStringAndSize(at, room + 20 - at)


cdef inline bytes hex8(unsigned int number):
    cdef bytes text = PyBytes_FromStringAndSize(NULL, 8)
    cdef char* room = PyBytes_AS_STRING(text)
    cdef const char* digits = "0123456789abcdef"
    cdef int at = 8
    while at > 0:
        at -= 1
        room[at] = digits[number & 15]
        number >>= 4
    return text


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
    return value_in(line, cut, PyBytes_GET_SIZE(line))


cdef inline bytes cut(bytes text, Py_ssize_t start, Py_ssize_t stop):
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(text) + start, stop - start)


cdef inline bytes value_in(bytes text, Py_ssize_t cut, Py_ssize_t end):
    cdef const char* octets = PyBytes_AS_STRING(text)
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
