"""What files and folders are called that more than one room looks for."""

ENVIRONMENT_LOCKS = (".lock", ".lock-owner")
"""In an environment: the file that is locked, and the one that takes its place where there are no locks."""
WORK_FOLDER = ".miniuv"
"""In an environment: where its changes are made ready."""
JOURNALS = ("journal.undo", "journal")
"""In the work folder: of a change that is to be taken back, and of one that is to be made."""
CACHE_VERSION = "v1"
"""In the cache: everything of its layout; another layout takes another number beside it."""
