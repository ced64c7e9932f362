"""Tells Teams which registered bot joins, by the token of Microsoft's bot identification (pure).

Inference: that the token is the fragment ``#token=`` of the meeting's address, and reaches the client through redirects, since
a browser hands a fragment on where the new address has none (RFC 9110, section 10.2.2).
"""

from __future__ import annotations

from urllib.parse import quote

from worker.platforms.address import MeetingAddress


def identified(address: MeetingAddress, token: str) -> MeetingAddress:
    """``address`` with ``token`` in the fragment, which is not sent to the server; the token is one of the secrets."""
    fragment = quote(token, safe="")
    return address._replace(url=f"{address.url}#token={fragment}", secrets=(*address.secrets, token))
