"""What long pages offer, worked out by the workers: under one GIL it would keep threads from fetching others."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from packaging.utils import NormalizedName

from miniuv.cache.store import Store
from miniuv.errors import CacheError
from miniuv.index.http_cache import Looked
from miniuv.index.offer import make_offer
from miniuv.index.simple import parse_page
from miniuv.models.interpreter import Interpreter
from miniuv.models.url import Url
from miniuv.workers import Workers

REQUEST = b"offer "
"""What a request to ``offering`` begins with."""
_SHORTEST = 32 << 10
"""Bytes of a page: the offer of a shorter one is sooner made than asked for."""


def ask_for_offer(
    looked: Looked, *, workers: Workers, store: Store, name: NormalizedName, index: str, no_build: bool
) -> bytes | None:
    """What ``make_offer`` makes of a page that was just fetched; ``None``: nobody was free, or it could not be done."""
    kept = looked.kept
    if not kept.body or looked.fetched is None or len(looked.fetched) < _SHORTEST or not workers.is_one_idle:
        return None
    with contextlib.suppress(OSError, CacheError), store.staging("offer") as folder:
        answer = folder / "offer"
        request = {
            "path": str(store.path("http", kept.body)),
            "digest": kept.body,
            "content_type": kept.headers.get("content-type", ""),
            "url": kept.url.reveal(),
            "name": name,
            "index": index,
            "no_build": no_build,
            "answer": str(answer),
        }
        if workers.do(REQUEST + json.dumps(request).encode(), wait=False):
            return answer.read_bytes()
    return None


def offering(interpreter: Interpreter) -> Callable[[bytes], None]:
    """What the workers do for ``ask_for_offer``, for one target."""

    def offer(request: bytes) -> None:
        wanted = json.loads(request.removeprefix(REQUEST))
        body = Path(wanted["path"]).read_bytes()
        if hashlib.sha256(body).hexdigest() != wanted["digest"]:
            raise ValueError("the page in the cache was changed")
        url, index = Url.parse(wanted["url"]), wanted["index"]
        page = parse_page(body, content_type=wanted["content_type"], url=url, index=index)
        made = make_offer(page, name=wanted["name"], interpreter=interpreter, no_build=wanted["no_build"])
        Path(wanted["answer"]).write_bytes(made)

    return offer
