# Types for the compiled form of submission.py; the interpreter never reads this file.

cimport cython

from sip cimport collector
from sip.message cimport Request, Response
from sip.proxy cimport Branch, Fork

from . cimport policy
from .identity cimport submission_key
from .keeper cimport Keeper
from .policy cimport Storable
from .recent cimport Answered
from .replay cimport deadline, is_composing, stored_head
from .shared cimport Shared
from .values cimport LedgerEntry, Notice, StoredMessage, StoreResult


cdef class Keeping:
    cdef public Fork fork
    cdef public object item
    cdef public StoredMessage message
    cdef public Response response
    cdef public str rule


cdef class Submission:
    cdef public bint aimed
    cdef public object answering
    cdef public double at
    cdef public bint begun
    cdef public bytes call_id
    cdef public bytes charging
    cdef public bint claimed
    cdef public long long cseq
    cdef public str device
    cdef public bint dropped
    cdef public bytes from_tag
    cdef public str id
    cdef public Keeping keeping
    cdef public bint local
    cdef public Notice notice
    cdef public object others
    cdef public Shared pager
    cdef public int phase
    cdef public str recipient
    cdef public Request request
    cdef public str sender
    cdef public double started
    cdef public int status
    cdef public dict times
    cdef public list twins

    cdef _begin(
        self,
        Shared pager,
        object answering,
        Request request,
        str sender,
        str recipient,
        str message_id,
        double now,
        double wall,
        bint local,
    )
    cpdef on_branch(self, Fork fork, Branch branch, double now)
    @cython.locals(pager=Shared)
    cpdef on_final(self, Fork fork, Response response, int status, double now)
    @cython.locals(pager=Shared, at=double, answered=tuple, received=tuple, entry=LedgerEntry)
    cpdef proceed(self, double now)
    @cython.locals(pager=Shared, request=Request, expires_at=double, keeper=Keeper)
    cpdef tuple facts(self, bint accepted)
    @cython.locals(pager=Shared, request=Request, offered=tuple, message=StoredMessage)
    cpdef Keeping commit(
        self, Fork fork, str rule, tuple devices, double expires_at, bint accepted=*
    )
    @cython.locals(pager=Shared, keeping=Keeping, now=double, fork=Fork, response=Response)
    cpdef stored(self, StoreResult result)
    @cython.locals(pager=Shared, message=StoredMessage, fork=Fork, story=list)
    cdef _kept(self, Keeping keeping, long long seq, double now)
    cdef _give(self, Fork fork, Response response, int status, double now)
    cdef _relay(self, Fork fork, Response response, double now)
    cdef _reply(self, int status, double now, bytes reason=*, object extra=*)
    @cython.locals(pager=Shared)
    cdef _told(self, int status, double now)
    cdef _answered(self, Fork fork)
    @cython.locals(answered=Answered)
    cdef _finish(self)
    cpdef double wall(self, double now) except -1.0
    @cython.locals(steps=list, pager=Shared, branch=Branch)
    cpdef list story(self, Fork fork, double now, str rule=*)
    cdef _note(self, list steps, str outcome, bint final)
