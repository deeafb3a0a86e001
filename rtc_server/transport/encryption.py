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
"""Of what is in a record: no more than a datagram holds."""
MAX_RECORDS = 16
"""In one datagram. Browsers send one message in each; forty of the smallest would fit."""

_BUFFER = ffi.typeof("char[]")
_LENGTH = srtp_ffi.typeof("int *")


class TooManyRecords(ConnectionError):
    """A client bundles more messages in a datagram than anybody does who means well."""


def unseal(connection: SSL.Connection, datagram: bytes) -> list[bytes]:
    """The messages in a DTLS datagram, in order; none where it is out of order or forged, which DTLS drops.

    Raises ZeroReturnError at the client's goodbye, TooManyRecords, and SSL.Error where the connection is broken.
    """
    ssl = connection._ssl
    lib.BIO_write(connection._into_ssl, datagram, len(datagram))
    messages: list[bytes] = []
    buffer = no_zero_allocator(_BUFFER, MAX_RECORD_BYTES)
    # To the end: what is not read now would stay in OpenSSL's memory.
    while (size := lib.SSL_read(ssl, buffer, MAX_RECORD_BYTES)) > 0:
        if len(messages) == MAX_RECORDS:
            raise TooManyRecords("too many DTLS records in one datagram")
        messages.append(bytes(ffi.buffer(buffer)[:size]))
    if lib.SSL_get_error(ssl, size) != lib.SSL_ERROR_WANT_READ:
        connection._raise_ssl_error(ssl, size)
    return messages


def decrypt(session: Session, packet: bytes, *, is_rtcp: bool) -> bytes | None:
    """An SRTP packet of at most 1500 bytes as RTP, or SRTCP as RTCP; None for one that is not authentic, or old."""
    length = srtp_ffi.new(_LENGTH, len(packet))
    session._buffer[: len(packet)] = packet
    unprotect = srtp.srtp_unprotect_rtcp if is_rtcp else srtp.srtp_unprotect
    if unprotect(session._srtp[0], session._cdata, length):
        return None
    return bytes(session._buffer[: length[0]])
