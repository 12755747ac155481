"""Who may ask the page for anything: the one place for it.

The page is for the user of this machine alone. It listens on the loopback interface, and every request, the websocket's
too, must carry the token of this start in its path, name this very host and port (a foreign name that leads here is DNS
rebinding), come from no page but its own, and only ask. No path of a request is one of a file, but for the scripts that
Bokeh itself brings.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ADDRESS: Final = "127.0.0.1"
NAMES: Final = (ADDRESS, "localhost")
METHODS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Gate:
    """The page at a port, behind a token."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def url(self) -> str:
        """What to open."""
        return f"http://{ADDRESS}:{self.port}/{self.token}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names by which a request may call this host."""
        return tuple(f"{name}:{self.port}" for name in NAMES)

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> str | None:
        """Why a request is refused; None if it is not."""
        if headers.get("Host", "").lower() not in self.hosts:
            return "the request names another host"
        origin = headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self.hosts}:
            return "the request comes from another page"
        if headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            return "the request comes from another page"
        first = path.removeprefix("/").partition("/")[0]
        if not hmac.compare_digest(first.encode(), self.token.encode()):
            return "the request has no token: open the address that `powerlab view` printed"
        if method not in METHODS:
            return "this page can only be looked at"
        return None

    @property
    def headers(self) -> dict[str, str]:
        """What every answer carries: nothing is loaded from elsewhere, told to it, or kept."""
        sockets = " ".join(f"ws://{host}" for host in self.hosts)
        policy = {
            "default-src": "'none'",
            # Bokeh starts its page with inline scripts, and makes functions of texts that its own models carry.
            "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
            "style-src": "'self' 'unsafe-inline'",
            "img-src": "'self' data: blob:",
            "font-src": "'self' data:",
            "connect-src": f"'self' {sockets}",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
            "form-action": "'none'",
        }
        return {
            "Content-Security-Policy": "; ".join(f"{name} {said}" for name, said in policy.items()),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
