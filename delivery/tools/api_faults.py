"""What kubectl prints when a request got no verdict: the API server is away, overloaded, or failed for a moment.

Source: https://github.com/kubernetes/apimachinery/blob/v0.36.0/pkg/api/errors/errors.go (NewGenericServerResponse)
"""

import re

_PASSING = re.compile(
    # no connection, or one that broke off
    r"was refused - did you|connection refused|connection reset|connection lost|closed network connection|"
    r"i/o timeout|handshake timeout|operation timed out|request timed out|request canceled|deadline exceeded|"
    r"network is unreachable|no route to host|failure in name resolution|unexpected EOF|: EOF\b|broken pipe|"
    r"server closed idle connection|stream error: |http2: |transport connection broken|"
    # 429, 500, 502, 503 and 504, by the API server or by what stands in front of it
    r"\((?:TooManyRequests|InternalError|ServiceUnavailable|Timeout|ServerTimeout)\): |too many requests|"
    r"an error on the server|the server is currently unable|was unable to return a response in the time allotted|"
    r"etcdserver: |apiserver not ready|server is shutting down|"
    # kubectl could not learn what the API server knows, whatever the reason was
    r"failed to download openapi|couldn't get current server API group list|couldn't get resource list|"
    r"unable to retrieve the complete list of server APIs",
    re.IGNORECASE,
)
_JUDGED = re.compile(r"failed calling webhook|Internal error occurred: ")
_NO_CREDENTIALS = re.compile(
    r"\(Unauthorized\)|^Unauthorized$|must be logged in to the server|asked for the client to provide credentials|"
    r"getting credentials: |certificate has expired or is not yet valid",
    re.MULTILINE,
)


_LOG = re.compile(r"^[EWI]\d{4} .*\n?", re.MULTILINE)


def verdict(text: str) -> str:
    """What kubectl printed without its log lines, which tell of each of its own attempts."""
    return _LOG.sub("", text)


def is_passing(text: str) -> bool:
    """Whether the same request may well succeed a little later."""
    return bool(_PASSING.search(verdict(text))) and not lacks_credentials(text)


def is_judged(text: str) -> bool:
    """Whether the API server is there and fails at this very request, such as when the webhook of another is away."""
    return bool(_JUDGED.search(verdict(text)))


def lacks_credentials(text: str) -> bool:
    """Whether the API server does not know who is asking."""
    return bool(_NO_CREDENTIALS.search(verdict(text)))
