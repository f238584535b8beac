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
from libc.string cimport memset, strerror

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
    int c_recvmmsg "recvmmsg"(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout)
    int c_sendmmsg "sendmmsg"(int fd, mmsghdr *messages, unsigned int count, int flags)


cdef class Batch:
    """Buffers for up to `count` datagrams of up to `size` octets each."""

    cdef readonly int count
    cdef readonly int size
    cdef char *_octets
    cdef sockaddr_storage *_names
    cdef iovec *_vectors
    cdef mmsghdr *_incoming
    cdef iovec *_out_vectors
    cdef mmsghdr *_outgoing

    def __cinit__(self, int count, int size):
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

    def receive(self, int fd, dict known, object missing, list payloads, list senders):
        """Append what waits on `fd` to `payloads`, and who sent it to `senders`.

        Args:   known: raw socket address to sender; missing: called with a raw address that is
                not in `known`, its result stands in `senders`.
        Returns: the number of datagrams, 0 when none waits.
        Raises: OSError for anything but "nothing there".
        """
        cdef int i, got
        cdef PyObject *sender
        cdef bytes name
        for i in range(self.count):
            self._incoming[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage)
        got = c_recvmmsg(fd, self._incoming, self.count, MSG_DONTWAIT, NULL)
        if got < 0:
            if errno == EAGAIN or errno == EINTR:
                return 0
            raise OSError(errno, (<bytes>strerror(errno)).decode("ascii", "replace"))
        for i in range(got):
            name = PyBytes_FromStringAndSize(
                <char *>&self._names[i], self._incoming[i].msg_hdr.msg_namelen)
            sender = PyDict_GetItem(known, name)
            if sender == NULL:
                senders.append(missing(name))
            else:
                senders.append(<object>sender)
            payloads.append(PyBytes_FromStringAndSize(
                self._octets + <size_t>i * <size_t>self.size, self._incoming[i].msg_len))
        return got

    def send(self, int fd, list payloads, list names, Py_ssize_t start):
        """Send `payloads[start:]` to the raw socket addresses `names[start:]`.

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
        sent = c_sendmmsg(fd, self._outgoing, <unsigned int>n, MSG_DONTWAIT)
        if sent < 0:
            if errno == EAGAIN or errno == EINTR:
                return 0
            raise OSError(errno, (<bytes>strerror(errno)).decode("ascii", "replace"))
        return sent
