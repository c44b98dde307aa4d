"""Whom to trust when a server shows its certificate."""

import os
import ssl

from miniuv.errors import SettingsError


def certificates(cert: str | None) -> ssl.SSLContext:
    """The system's certificates (``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace them), else the ones httpx brings.

    ``cert`` is a file or a folder instead of them. Raises ``SettingsError``.
    """
    try:
        if cert is not None:
            is_folder = os.path.isdir(cert)
            return ssl.create_default_context(capath=cert if is_folder else None, cafile=None if is_folder else cert)
        paths = ssl.get_default_verify_paths()
        if paths.cafile or paths.capath:
            return ssl.create_default_context()
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    except OSError as error:
        raise SettingsError(
            f"the certificates cannot be read: {error.strerror or error}",
            where=str(cert or "SSL_CERT_FILE"),
            hint="see `--cert`, `SSL_CERT_FILE`, and `cert` in the configuration of pip",
        ) from error
