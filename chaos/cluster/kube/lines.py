"""An answer of the API server that goes on: a watch, a followed log. One thread reads it, another may end it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Self

import urllib3.exceptions
from kubernetes import client
from urllib3 import BaseHTTPResponse

from chaos.cluster.kube.api import CONNECT_S, ApiError

CHUNK = 1 << 16


class Silent(ApiError):
    """Nothing came for as long as was agreed; the connection may be as good as ever."""


class Lines:
    """Raises ApiError when the server refuses or breaks off, and Silent when it says nothing for `silent_s`."""

    def __init__(self, api: client.ApiClient, path: str, silent_s: float, **query: str) -> None:
        request = api.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": "*/*"},
            auth_settings=["BearerToken"],
        )
        self._ended = False
        try:
            answer = api.call_api(*request, _request_timeout=(CONNECT_S, silent_s))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(f"{path}: {error}") from error
        self._response: BaseHTTPResponse = answer.response
        if answer.status != 200:
            text = self._response.read().decode(errors="replace")
            raise ApiError(f"{path}: {answer.status}: {text[:200]}", answer.status)

    def __iter__(self) -> Iterator[bytes]:
        """Whole lines without their ends, as they arrive. Of an answer that broke off, the last part is dropped."""
        rest = b""
        try:
            for chunk in self._response.stream(CHUNK, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        except urllib3.exceptions.ReadTimeoutError as error:
            raise Silent(f"the stream is silent: {error}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if self._ended:
                return
            raise ApiError(f"the stream broke off: {error}") from error
        if rest:
            yield rest

    def end(self) -> None:
        """From another thread: whoever reads sees the end of the answer."""
        self._ended = True
        with suppress(RuntimeError, ValueError, OSError):  # it has ended by itself
            self._response.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()
