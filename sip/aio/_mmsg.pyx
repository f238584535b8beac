# cython: language_level=3, boundscheck=False, wraparound=False
# SPDX-License-Identifier: Apache-2.0
"""Batched datagrams: many per system call with recvmmsg(2) and sendmmsg(2).

What goes to one destination leaves together; datagrams of one length pass the kernel as one that
it cuts in pieces (UDP_SEGMENT, udp(7)), which takes a third of the time and wakes the peer once.

Linux only and optional: without this module `sip.aio.udp` reads and writes one datagram per call.
The GIL is kept during the calls: both are non-blocking, and giving it away would let another
thread hold up the loop for a whole switch interval.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.list cimport PyList_GET_SIZE
from cpython.ref cimport PyObject
from libc.errno cimport EAGAIN, EINTR, EINVAL, EIO, ENOPROTOOPT, EOPNOTSUPP, errno
from libc.stdint cimport uint16_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strerror

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    cdef struct iovec:
        void *iov_base
        size_t iov_len
    cdef struct sockaddr_storage:
        pass
    cdef struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    cdef struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int MSG_DONTWAIT
    cdef struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    cmsghdr *CMSG_FIRSTHDR(msghdr *message)
    unsigned char *CMSG_DATA(cmsghdr *control)
    size_t CMSG_SPACE(size_t length)
    size_t CMSG_LEN(size_t length)
    int c_recvmmsg "recvmmsg"(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout)
    int c_sendmmsg "sendmmsg"(int fd, mmsghdr *messages, unsigned int count, int flags)

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <netinet/in.h>
    #include <netinet/udp.h>
    #ifndef UDP_SEGMENT
    #define UDP_SEGMENT 103
    #endif
    """
    int IPPROTO_UDP
    int UDP_SEGMENT
    int IPPROTO_IP
    int IPPROTO_IPV6
    int IP_PKTINFO
    int IPV6_PKTINFO

# Octets of a socket address, and where in the kernel's structures our own address stands:
# in_pktinfo has it after the interface, in6_pktinfo in front of it.
cdef enum:
    V4_NAME = 16
    V6_NAME = 28
    V4_LOCAL = 4
    V6_LOCAL = 16
    V4_INFO = 12
    V6_INFO = 20
    CONTROL = 64

# What the kernel cuts in pieces: at most so many, none that an Ethernet would have to fragment
# (that is refused), and within what one datagram may hold.
cdef enum:
    RUN = 64
    PIECE = 1400
    RUN_OCTETS = 65000


cdef class Batch:
    """Buffers for up to `count` datagrams of up to `size` octets each.

    A name is a raw socket address. With `marked`, for a socket on every address that was asked for
    packet information, our own packed address follows it: the one a datagram came to, and the one
    it is to leave from.
    """

    cdef readonly int count
    cdef readonly int size
    cdef char *_octets
    cdef sockaddr_storage *_names
    cdef iovec *_vectors
    cdef mmsghdr *_incoming
    cdef iovec *_out_vectors
    cdef mmsghdr *_outgoing
    cdef char *_controls
    cdef char *_out_controls
    cdef PyObject **_moved
    cdef int *_order
    cdef bint _segmenting

    def __cinit__(self, int count, int size, bint marked=False):
        cdef int i
        if count < 1 or count > 1024 or size < 1 or size > 65535:
            raise ValueError("count must be 1..1024 and size 1..65535")
        self.count = count
        self.size = size
        self._octets = <char *>calloc(count, size)
        self._names = <sockaddr_storage *>calloc(count, sizeof(sockaddr_storage))
        self._vectors = <iovec *>calloc(count, sizeof(iovec))
        self._incoming = <mmsghdr *>calloc(count, sizeof(mmsghdr))
        self._out_vectors = <iovec *>calloc(count, sizeof(iovec))
        self._outgoing = <mmsghdr *>calloc(count, sizeof(mmsghdr))
        self._out_controls = <char *>calloc(count, CONTROL)
        self._moved = <PyObject **>calloc(2 * count, sizeof(PyObject *))
        self._order = <int *>calloc(3 * count, sizeof(int))
        self._segmenting = True
        if (self._octets == NULL or self._names == NULL or self._vectors == NULL
                or self._incoming == NULL or self._out_vectors == NULL or self._outgoing == NULL
                or self._out_controls == NULL or self._moved == NULL or self._order == NULL):
            raise MemoryError
        if marked:
            self._controls = <char *>calloc(count, CONTROL)
            if self._controls == NULL:
                raise MemoryError
        for i in range(count):
            self._vectors[i].iov_base = self._octets + <size_t>i * <size_t>size
            self._vectors[i].iov_len = size
            self._incoming[i].msg_hdr.msg_name = &self._names[i]
            self._incoming[i].msg_hdr.msg_iov = &self._vectors[i]
            self._incoming[i].msg_hdr.msg_iovlen = 1

    def __dealloc__(self):
        free(self._octets)
        free(self._names)
        free(self._vectors)
        free(self._incoming)
        free(self._out_vectors)
        free(self._outgoing)
        free(self._controls)
        free(self._out_controls)
        free(self._moved)
        free(self._order)

    def receive(self, int fd, dict known, object missing, list payloads, list senders):
        """Append what waits on `fd` to `payloads`, and who sent it to `senders`.

        Args:   known: name to sender; missing: called with a name that is not in `known`, its
                result stands in `senders`.
        Returns: the number of datagrams, 0 when none waits.
        Raises: OSError for anything but "nothing there".
        """
        cdef int i, got
        cdef PyObject *sender
        cdef bytes name
        for i in range(self.count):
            self._incoming[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage)
            if self._controls != NULL:
                self._incoming[i].msg_hdr.msg_control = self._controls + i * CONTROL
                self._incoming[i].msg_hdr.msg_controllen = CONTROL
        got = c_recvmmsg(fd, self._incoming, self.count, MSG_DONTWAIT, NULL)
        if got < 0:
            if errno == EAGAIN or errno == EINTR:
                return 0
            raise OSError(errno, (<bytes>strerror(errno)).decode("ascii", "replace"))
        for i in range(got):
            name = PyBytes_FromStringAndSize(
                <char *>&self._names[i], self._incoming[i].msg_hdr.msg_namelen)
            if self._controls != NULL:
                name = name + _asked(&self._incoming[i].msg_hdr)
            sender = PyDict_GetItem(known, name)
            if sender == NULL:
                senders.append(missing(name))
            else:
                senders.append(<object>sender)
            payloads.append(PyBytes_FromStringAndSize(
                self._octets + <size_t>i * <size_t>self.size, self._incoming[i].msg_len))
        return got

    def send(self, int fd, list payloads, list names, Py_ssize_t start):
        """Send `payloads[start:]` to `names[start:]`.

        Puts what goes to one name together in both lists; its order stays.

        Returns: how many left, at most `count`; 0 when the socket's buffer is full.
        Raises: OSError when the first one was refused (nothing has left then).
        """
        cdef Py_ssize_t total = PyList_GET_SIZE(payloads)
        cdef Py_ssize_t n
        cdef int i, messages, sent, refusal
        if start < 0 or PyList_GET_SIZE(names) != total:
            raise ValueError("payloads and names differ in length")
        n = total - start
        if n <= 0:
            return 0
        if n > self.count:
            n = self.count
        self._bring_together(payloads, names, start, <int>n)
        messages = self._describe(payloads, names, start, <int>n, self._segmenting)
        sent = c_sendmmsg(fd, self._outgoing, <unsigned int>messages, MSG_DONTWAIT)
        if sent < 0 and self._outgoing[0].msg_hdr.msg_iovlen > 1 and errno != EAGAIN:
            # Not every kernel, device and path takes segments. What keeps the socket from sending
            # for other reasons, as an ICMP error that waited, is found in the same way.
            refusal = errno
            messages = self._describe(payloads, names, start, <int>n, False)
            sent = c_sendmmsg(fd, self._outgoing, <unsigned int>messages, MSG_DONTWAIT)
            if sent > 0 and refusal in (EINVAL, EIO, ENOPROTOOPT, EOPNOTSUPP):
                self._segmenting = False
        if sent < 0:
            if errno == EAGAIN or errno == EINTR:
                return 0
            raise OSError(errno, (<bytes>strerror(errno)).decode("ascii", "replace"))
        n = 0
        for i in range(sent):
            n += self._outgoing[i].msg_hdr.msg_iovlen
        return n

    cdef void _bring_together(self, list payloads, list names, Py_ssize_t start, int n) noexcept:
        """Put what goes to one name together, names in the order of their first datagrams."""
        cdef PyObject **datagrams = (<PyListObject *>payloads).ob_item + start
        cdef PyObject **peers = (<PyListObject *>names).ob_item + start
        cdef PyObject **moved = self._moved
        cdef int *following = self._order  # the next datagram to the same name, -1 behind the last
        cdef int *firsts = following + n
        cdef int *lasts = firsts + n
        cdef int i, k, place, changes = 0, found = 0
        for i in range(n):
            following[i] = -1
            changes += i == 0 or peers[i] != peers[i - 1]
            k = found - 1
            while k >= 0 and peers[firsts[k]] != peers[i]:
                k -= 1
            if k < 0:
                firsts[found] = lasts[found] = i
                found += 1
            else:
                following[lasts[k]] = i
                lasts[k] = i
        if changes == found:
            return
        place = 0
        for k in range(found):
            i = firsts[k]
            while i >= 0:
                moved[place] = datagrams[i]
                moved[n + place] = peers[i]
                place += 1
                i = following[i]
        memcpy(datagrams, moved, n * sizeof(PyObject *))
        memcpy(peers, moved + n, n * sizeof(PyObject *))

    cdef int _describe(
        self, list payloads, list names, Py_ssize_t start, int n, bint segmenting
    ) except -1:
        """Fill in what sendmmsg is given; returns how many messages that are."""
        cdef msghdr *message = NULL
        cdef bytes payload, name
        cdef size_t size, piece = 0, octets = 0
        cdef int i, count = 0
        for i in range(n):
            payload = <bytes?>payloads[start + i]
            name = <bytes?>names[start + i]
            size = PyBytes_GET_SIZE(payload)
            self._out_vectors[i].iov_base = PyBytes_AS_STRING(payload)
            self._out_vectors[i].iov_len = size
            # All pieces have one length, only the last may be shorter.
            if (segmenting and count and message.msg_name == PyBytes_AS_STRING(name)
                    and 0 < size <= piece and octets == message.msg_iovlen * piece
                    and message.msg_iovlen < RUN and octets + size <= RUN_OCTETS):
                message.msg_iovlen += 1
                octets += size
                continue
            message = &self._outgoing[count].msg_hdr
            count += 1
            message.msg_name = PyBytes_AS_STRING(name)
            message.msg_namelen = <socklen_t>PyBytes_GET_SIZE(name)
            message.msg_iov = &self._out_vectors[i]
            message.msg_iovlen = 1
            octets = size
            piece = size if size <= PIECE else 0
        for i in range(count):
            _control(&self._outgoing[i].msg_hdr, self._out_controls + i * CONTROL)
        return count


cdef bytes _asked(msghdr *message):
    """Return our address that a datagram came to, packed; empty when the kernel does not tell."""
    cdef cmsghdr *control = CMSG_FIRSTHDR(message)
    if control == NULL:
        return b""
    if (control.cmsg_level == IPPROTO_IP and control.cmsg_type == IP_PKTINFO
            and control.cmsg_len >= CMSG_LEN(V4_INFO)):
        return PyBytes_FromStringAndSize(<char *>CMSG_DATA(control) + 4, V4_LOCAL)
    if (control.cmsg_level == IPPROTO_IPV6 and control.cmsg_type == IPV6_PKTINFO
            and control.cmsg_len >= CMSG_LEN(V6_INFO)):
        return PyBytes_FromStringAndSize(<char *>CMSG_DATA(control), V6_LOCAL)
    return b""


cdef void _control(msghdr *message, char *room) noexcept:
    """Say from which address a message leaves, and in which pieces.

    Our address stands behind the socket address in the name, if any.
    """
    cdef char *name = <char *>message.msg_name
    cdef size_t used = 0
    cdef uint16_t piece
    if message.msg_namelen == V4_NAME + V4_LOCAL:
        message.msg_namelen = V4_NAME
        memset(room, 0, CONTROL)
        used = _tell(room, IPPROTO_IP, IP_PKTINFO, V4_INFO, V4_LOCAL, name + V4_NAME, V4_LOCAL)
    elif message.msg_namelen == V6_NAME + V6_LOCAL:
        message.msg_namelen = V6_NAME
        memset(room, 0, CONTROL)
        used = _tell(room, IPPROTO_IPV6, IPV6_PKTINFO, V6_INFO, 0, name + V6_NAME, V6_LOCAL)
    if message.msg_iovlen > 1:
        piece = <uint16_t>message.msg_iov.iov_len
        used += _tell(
            room + used, IPPROTO_UDP, UDP_SEGMENT, sizeof(piece), 0, <char *>&piece, sizeof(piece))
    message.msg_control = room if used else NULL
    message.msg_controllen = used


cdef size_t _tell(
    char *room, int level, int kind, size_t length, size_t place, char *value, size_t size
) noexcept:
    """Write a control message with a value at a place of its data; returns the room it takes."""
    cdef cmsghdr *control = <cmsghdr *>room
    control.cmsg_level = level
    control.cmsg_type = kind
    control.cmsg_len = CMSG_LEN(length)
    memcpy(CMSG_DATA(control) + place, value, size)
    return CMSG_SPACE(length)
