"""Run inside an environment (``python -IB look.py``): import the packages, print what is installed as JSON.

Output: ``{"versions": {name: version}, "commits": {name: commit}, "editables": {name: url}}``, names normalised.
"""

import importlib
import importlib.metadata
import json
import re

MODULES = ("proj1", "proj2", "gunicorn", "swiftclient")


def main() -> None:
    """Import and print."""
    for module in MODULES:
        importlib.import_module(module)
    versions, commits, editables = {}, {}, {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        versions[name] = distribution.version
        direct_url = json.loads(distribution.read_text("direct_url.json") or "{}")
        if "vcs_info" in direct_url:
            commits[name] = direct_url["vcs_info"]["commit_id"]
        if direct_url.get("dir_info", {}).get("editable"):
            editables[name] = direct_url["url"]
    print(json.dumps({"versions": versions, "commits": commits, "editables": editables}, sort_keys=True))


if __name__ == "__main__":
    main()
