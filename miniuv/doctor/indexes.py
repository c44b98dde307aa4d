"""The settings that say where packages come from, and whether the indexes answer."""

import os
from collections.abc import Iterator, Mapping, Sequence

from miniuv.doctor.findings import Finding, note, of_error, wrong
from miniuv.errors import MiniuvError
from miniuv.index.client import HttpClient
from miniuv.models.url import Url, redact
from miniuv.settings import Settings
from miniuv.settings.options import Layer
from miniuv.values import replace

_OPTIONS = (
    "index-url", "extra-index-url", "find-links", "no-index", "offline", "cert", "proxy", "trusted-host", "constraint",
    "require-hashes",
)  # fmt: skip
_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "all_proxy", "https_proxy", "http_proxy", "no_proxy")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_LIMIT = 64 * 2**20
_REFUSED = (401, 403, 407)


def origin(option: str, layers: Sequence[Layer]) -> str:
    """Who decided ``option``, for people."""
    layer = next((layer for layer in layers if option in layer.values), None)
    return "by default" if layer is None else f"by `{layer.spelled(option)}` of {layer.where}"


def look_at_settings(settings: Settings, layers: Sequence[Layer], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is set, and by what; no address shows its credentials, and nobody is asked anything."""
    for option in _OPTIONS:
        for layer in layers:
            if option in layer.values:
                yield Finding(text=f"{option} = {_shown(option, layer.values[option])}, by {layer.where}")
    if settings.configured_index_url is None and not settings.no_index:
        yield Finding(text=f"index-url = {settings.index_url}, by default")
    for variable in (*_PROXIES, *_CERTIFICATES):
        if value := environ.get(variable):
            yield Finding(text=f"{variable} = {_shown('proxy', value)}, of the environment")
    if (value := environ.get("SSL_CERT_FILE")) and not os.path.isfile(value):
        yield wrong(f"SSL_CERT_FILE names `{value}`, which is not there", "set it to a file that is, or unset it")
    if settings.cert is not None and not settings.cert.is_file():
        yield wrong(f"the certificates `{settings.cert}` are not there", "set `cert` to a file that is")
    for place in settings.find_links:
        path = place.path if str(place).startswith("file:") else None
        if path is not None and not os.path.exists(path):
            yield wrong(f"find-links names `{path}`, which is not there", "make it, or change the setting")
    for file in settings.constraint_files:
        if "://" not in file and not os.path.isfile(file):
            yield wrong(f"constraint names `{file}`, which is not there", "make it, or change the setting")
    found = [str(file) for file in settings.files if file.is_file()]
    if found:
        yield Finding(text=f"settings files that are there: {', '.join(f'`{file}`' for file in found)}")


def ask_indexes(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Ask every index for the page of one project, and yield how each has answered."""
    if settings.no_index or settings.offline:
        yield note("no index is asked, for that is switched off (`no-index`, `offline`)")
        return
    with HttpClient(replace(settings, retries=0), environ=environ) as http:
        for index in (*settings.extra_index_urls, settings.index_url):
            page = Url.parse(f"{index.reveal().rstrip('/')}/pip/")
            try:
                status = http.get(page, limit=_LIMIT).status
            except (MiniuvError, OSError) as error:
                yield of_error(error)
                continue
            if status in _REFUSED:
                yield wrong(
                    f"{index} refuses us (status {status})", "put user and password into its address or `~/.netrc`"
                )
            elif status >= 400 and status != 404:
                yield wrong(f"{index} answers with status {status}", "check the address")
            else:
                yield Finding(text=f"{index} answers (status {status})")


def _shown(option: str, value: object) -> str:
    many = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
    if option == "proxy":  # `user:password@host` is the address of one too
        many = [each if "://" in each or "@" not in each else f"http://{each}" for each in many]
    return ", ".join(map(redact, many))
