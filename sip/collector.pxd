# The compiled form of collector.py, in line; the interpreter never reads this file.

cdef extern from "Python.h":
    void PyObject_GC_UnTrack(void* tracked) noexcept


cdef inline object untracked(object record):
    PyObject_GC_UnTrack(<void*>record)
    return record
