# Types for the compiled form of values.py; the interpreter never reads this file.

cdef class StoredMessage:
    cdef public str id
    cdef public bytes key
    cdef public str sender
    cdef public str recipient
    cdef public bytes call_id
    cdef public long long cseq
    cdef public double received_at
    cdef public double expires_at
    cdef public bytes head
    cdef public bytes body
    cdef public tuple devices
    cdef public tuple offered
    cdef public bint accepted


cdef class StoreResult:
    cdef public object kind
    cdef public str id
    cdef public long long seq
    cdef public str detail


cdef class PendingMessage:
    cdef public long long seq
    cdef public StoredMessage message
    cdef public bint accepted
    cdef public tuple settled


cdef class DeliveryMark:
    cdef public str message_id
    cdef public long long seq
    cdef public str device
    cdef public object state
    cdef public double at
    cdef public int status
    cdef public bint settles


cdef class Notice:
    cdef public str kind
    cdef public bytes id
    cdef public int asked
    cdef public tuple told
    cdef public int messages


cdef class LedgerEntry:
    cdef public str message_id
    cdef public bytes call_id
    cdef public double at
    cdef public str sender
    cdef public str recipient
    cdef public Py_ssize_t size
    cdef public list steps
    cdef public str outcome
    cdef public bint final
    cdef public Notice notice
    cdef public bytes charging
