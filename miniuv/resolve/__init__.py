"""``InstallRequest`` to ``Resolution``, through resolvelib."""
