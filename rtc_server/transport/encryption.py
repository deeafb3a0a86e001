"""DTLS records and SRTP packets, straight by OpenSSL's and libsrtp's functions.

pyOpenSSL's and pylibsrtp's methods do the same and ask more than they need to, for each record: what the error was
when there was none, and what kind of thing our bytes are. Where something is not in order, it is pyOpenSSL that says
what.
"""

from OpenSSL import SSL
from OpenSSL._util import ffi, lib, no_zero_allocator
from pylibsrtp import Session
from pylibsrtp._binding import ffi as srtp_ffi
from pylibsrtp._binding import lib as srtp

MAX_RECORD_BYTES = 1500

_BUFFER = ffi.typeof("char[]")
_LENGTH = srtp_ffi.typeof("int *")


def seal(connection: SSL.Connection, message: bytes) -> bytes:
    """`message` as a DTLS record, behind whatever else OpenSSL has to say to the client. Raises SSL.Error."""
    written = lib.SSL_write(connection._ssl, message, len(message))
    if written <= 0:
        connection._raise_ssl_error(connection._ssl, written)
    record = no_zero_allocator(_BUFFER, MAX_RECORD_BYTES)
    size = lib.BIO_read(connection._from_ssl, record, MAX_RECORD_BYTES)
    return bytes(ffi.buffer(record)[: max(size, 0)])


def unseal(connection: SSL.Connection, record: bytes) -> bytes:
    """The message in a DTLS record. Raises SSL.Error where there is none, ZeroReturnError at the client's goodbye."""
    lib.BIO_write(connection._into_ssl, record, len(record))
    message = no_zero_allocator(_BUFFER, MAX_RECORD_BYTES)
    size = lib.SSL_read(connection._ssl, message, MAX_RECORD_BYTES)
    if size <= 0:
        connection._raise_ssl_error(connection._ssl, size)
    return bytes(ffi.buffer(message)[:size])


def decrypt(session: Session, packet: bytes, *, is_rtcp: bool) -> bytes | None:
    """An SRTP packet of at most 1500 bytes as RTP, or SRTCP as RTCP; None for one that is not authentic, or old."""
    length = srtp_ffi.new(_LENGTH, len(packet))
    session._buffer[: len(packet)] = packet
    unprotect = srtp.srtp_unprotect_rtcp if is_rtcp else srtp.srtp_unprotect
    if unprotect(session._srtp[0], session._cdata, length):
        return None
    return bytes(session._buffer[: length[0]])
