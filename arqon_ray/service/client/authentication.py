"""Clusters that ask for a token, as those of Ray 2.60 do wherever one was ever made.

Ray turns token authentication on by itself in a cluster that ``ray start --head`` begins, as soon as
``~/.ray/auth_token`` exists, and a local Ray leaves one there. A driver does the same for the address ``auto`` alone;
with ``HOST:PORT`` or ``ray://`` it is sent away, after a long wait and with words that say nothing of a token. See
https://docs.ray.io/en/latest/ray-security/token-auth.html.
"""

from __future__ import annotations

import os
import re

from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ConfigError

_MODE = "RAY_AUTH_MODE"
_ADDRESS = re.compile(r"(ray://)?(\[[^\]]+\]|[^/:\s]+):(\d{1,5})/?")
_TIMEOUT = 5.0  # seconds; who does not answer in it is left to Ray's own patience
# Calls that change nothing, of the head's control store and of the server for Ray Client.
_ASK_HEAD = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_ASK_CLIENT_SERVER = "/ray.rpc.RayletDriver/ClusterInfo"


def prepare(address: str | None) -> None:
    """Let this process show its token, when the cluster at ``address`` asks for one, as Ray does for ``auto``.

    Args:
        address: as for ``ray.init``; only ``HOST:PORT`` and ``ray://HOST:PORT`` need help.

    Raises:
        ConfigError: when the cluster asks for a token and there is none here, another one, or tokens are turned off.
    """
    found = _ADDRESS.fullmatch(address or "")
    if found is None or not _refuses(found, None):
        return
    from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

    mode = os.environ.get(_MODE)
    if mode is not None and mode.lower() != "token":
        raise _refusal(address, f"{_MODE} is {mode!r} here: unset it, or make it 'token'")
    loader = AuthenticationTokenLoader.instance()
    if not loader.has_token(ignore_auth_mode=True):
        raise _refusal(address, "there is none here")
    if _refuses(found, loader.get_raw_token(ignore_auth_mode=True)):
        raise _refusal(address, "the one here is another")
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def _refuses(address: re.Match[str], token: str | None) -> bool:
    """Tell whether a call with this token, or without one, is sent away as unauthenticated."""
    import grpc

    method = _ASK_CLIENT_SERVER if address[1] else _ASK_HEAD
    metadata = None if token is None else [("authorization", f"Bearer {token}")]
    options = (("grpc.enable_http_proxy", 0),)  # as Ray's own channels
    with grpc.insecure_channel(f"{address[2]}:{address[3]}", options) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=_TIMEOUT, metadata=metadata)
        except grpc.RpcError as error:
            return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)
    return False


def _refusal(address: str | None, problem: str) -> ConfigError:
    return ConfigError(
        f"the Ray cluster at {shown(address)} asks for a token, and {problem}; it is in ~/.ray/auth_token on the head "
        "node: copy that file here, or give its place in RAY_AUTH_TOKEN_PATH or the token itself in RAY_AUTH_TOKEN"
    )
