# Types for the compiled form of presence.py; the interpreter never reads this file.

cimport cython

from ..event.subscription cimport Subscription


cdef class _State:
    cdef _View _last
    cdef object _resource
    cdef object _shown
    cdef dict _views
    cdef public object document
    cdef public object sphere

    @cython.locals(view=_View)
    cpdef _View view(self, object decision, object wanted=*)


cdef class _View:
    cdef object _full
    cdef dict _changes
    cdef public object body
    cdef public object document

    cpdef bytes partial(self, object before, long long version)
    cdef tuple _whole(self)
    cdef tuple _since(self, object before)


cdef class PresencePackage:
    cdef object _authority
    cdef object _compositor
    cdef object _facts
    cdef object _hard
    cdef object _known
    cdef object _notifier
    cdef dict _states
    cdef public int expires_default
    cdef public int expires_max
    cdef public int expires_min
    cdef public double interval_s
    cdef public tuple lines
    cdef public tuple published
    cdef public tuple types

    @cython.locals(state=_State, view=_View)
    cpdef render(self, Subscription sub, double wall)
    @cython.locals(state=_State)
    cpdef bytes etag(self, Subscription sub, double wall)
    @cython.locals(state=_State)
    cdef _State _state(self, str resource)


cdef object _filter_of(Subscription sub)
