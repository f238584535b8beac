# Types for the compiled form of limits.py; the interpreter never reads this file.


cdef class Limits:
    cdef readonly Py_ssize_t body_bytes
    cdef readonly Py_ssize_t head_bytes
    cdef readonly Py_ssize_t header_bytes
    cdef readonly Py_ssize_t headers
    cdef readonly Py_ssize_t message_body_bytes
    cdef readonly Py_ssize_t message_bytes
    cdef readonly Py_ssize_t method_bytes
    cdef readonly Py_ssize_t start_line_bytes
    cdef readonly Py_ssize_t vias
