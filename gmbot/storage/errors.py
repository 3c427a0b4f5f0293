"""What can go wrong with the storage, named by what the caller does next.

::

    StorageError             this call alone is wrong (a constraint, an id beyond 64 bits): a bug
    ├── StorageUnavailable   away, locked for too long, disk full, circuit open: try again later
    └── StorageUnusable      corrupt, unwritable, no database, a newer schema: a human must act

Each message is one line that names the database, what is wrong and, where a human must act, what
to do. None holds a password: a database is named by its path, or by host and name.
"""


class StorageError(Exception):
    """Base of all errors of a storage; itself: the database refused this one call."""


class StorageUnavailable(StorageError):
    """The database does not serve now; nothing of the call was done, or it is not known to be."""


class StorageUnusable(StorageError):
    """The database cannot serve until a human acts."""
