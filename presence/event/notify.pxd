# Types for the compiled form of notify.py; the interpreter never reads this file.

cimport cython

from sip cimport octets
from sip.dialog cimport Dialog

from .subscription cimport Subscription

@cython.locals(left="long long", value=bytes)
cpdef bytes state_value(Subscription sub, object state, double now)
@cython.locals(dialog=Dialog, end=bytes, way=bytes)
cpdef bytes notify(
    Subscription sub, bytes uri, object routes, bytes via, bytes state, object body
)
cdef bytes _tail(object body)
cdef bytes _event(Subscription sub)
