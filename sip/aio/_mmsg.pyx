# cython: language_level=3, boundscheck=False, wraparound=False
# SPDX-License-Identifier: Apache-2.0
"""Batched datagrams: many per system call with recvmmsg(2) and sendmmsg(2).

Linux only and optional: without this module `sip.aio.udp` reads and writes one datagram per call.
The GIL is kept during the calls: both are non-blocking, and giving it away would let another
thread hold up the loop for a whole switch interval.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.ref cimport PyObject
from libc.errno cimport EAGAIN, EINTR, errno
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

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <netinet/in.h>
    """
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
        if (self._octets == NULL or self._names == NULL or self._vectors == NULL
                or self._incoming == NULL or self._out_vectors == NULL or self._outgoing == NULL):
            raise MemoryError
        if marked:
            self._controls = <char *>calloc(count, CONTROL)
            self._out_controls = <char *>calloc(count, CONTROL)
            if self._controls == NULL or self._out_controls == NULL:
                raise MemoryError
        for i in range(count):
            self._vectors[i].iov_base = self._octets + <size_t>i * <size_t>size
            self._vectors[i].iov_len = size
            self._incoming[i].msg_hdr.msg_name = &self._names[i]
            self._incoming[i].msg_hdr.msg_iov = &self._vectors[i]
            self._incoming[i].msg_hdr.msg_iovlen = 1
            self._outgoing[i].msg_hdr.msg_iov = &self._out_vectors[i]
            self._outgoing[i].msg_hdr.msg_iovlen = 1

    def __dealloc__(self):
        free(self._octets)
        free(self._names)
        free(self._vectors)
        free(self._incoming)
        free(self._out_vectors)
        free(self._outgoing)
        free(self._controls)
        free(self._out_controls)

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

        Returns: how many left, at most `count`; 0 when the socket's buffer is full.
        Raises: OSError when the first one was refused (nothing has left then).
        """
        cdef Py_ssize_t total = PyList_GET_SIZE(payloads)
        cdef Py_ssize_t i, n
        cdef int sent
        cdef bytes payload, name
        if start < 0 or PyList_GET_SIZE(names) != total:
            raise ValueError("payloads and names differ in length")
        n = total - start
        if n <= 0:
            return 0
        if n > self.count:
            n = self.count
        for i in range(n):
            payload = <bytes?>payloads[start + i]
            name = <bytes?>names[start + i]
            self._out_vectors[i].iov_base = PyBytes_AS_STRING(payload)
            self._out_vectors[i].iov_len = PyBytes_GET_SIZE(payload)
            self._outgoing[i].msg_hdr.msg_name = PyBytes_AS_STRING(name)
            self._outgoing[i].msg_hdr.msg_namelen = <socklen_t>PyBytes_GET_SIZE(name)
            if self._out_controls != NULL:
                _mark(&self._outgoing[i].msg_hdr, self._out_controls + i * CONTROL)
        sent = c_sendmmsg(fd, self._outgoing, <unsigned int>n, MSG_DONTWAIT)
        if sent < 0:
            if errno == EAGAIN or errno == EINTR:
                return 0
            raise OSError(errno, (<bytes>strerror(errno)).decode("ascii", "replace"))
        return sent


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


cdef void _mark(msghdr *message, char *room) noexcept:
    """Have a datagram leave from the address behind the socket address in its name, if any."""
    cdef cmsghdr *control
    cdef char *name = <char *>message.msg_name
    message.msg_control = NULL
    message.msg_controllen = 0
    if message.msg_namelen == V4_NAME + V4_LOCAL:
        message.msg_namelen = V4_NAME
        message.msg_control = room
        message.msg_controllen = CMSG_SPACE(V4_INFO)
        control = CMSG_FIRSTHDR(message)
        control.cmsg_level = IPPROTO_IP
        control.cmsg_type = IP_PKTINFO
        control.cmsg_len = CMSG_LEN(V4_INFO)
        memset(CMSG_DATA(control), 0, V4_INFO)
        memcpy(CMSG_DATA(control) + 4, name + V4_NAME, V4_LOCAL)
    elif message.msg_namelen == V6_NAME + V6_LOCAL:
        message.msg_namelen = V6_NAME
        message.msg_control = room
        message.msg_controllen = CMSG_SPACE(V6_INFO)
        control = CMSG_FIRSTHDR(message)
        control.cmsg_level = IPPROTO_IPV6
        control.cmsg_type = IPV6_PKTINFO
        control.cmsg_len = CMSG_LEN(V6_INFO)
        memset(CMSG_DATA(control), 0, V6_INFO)
        memcpy(CMSG_DATA(control), name + V6_NAME, V6_LOCAL)
