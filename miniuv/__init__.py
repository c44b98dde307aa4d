"""miniuv: a pip-style installer for people with editables and git dependencies.

Verbs are steps, nouns are things. Steps import things; things never import steps; ``models`` is what flows.
A module imports only its own room or a strictly lower layer; ``tests/test_architecture.py`` holds this table.

====================  =====  ================================================================================
Room                  Layer  One line
====================  =====  ================================================================================
``noop``              13     The fast exit, before any parser: ``sys`` and ``os`` only; asked first
``cli``               12     Command line to request; one module per command; the only place that exits
``pipeline``          11     The steps of a command, in order
``doctor``            10     Findings about all that miniuv rests on: one module for each thing looked at
``replay``            10     An installation again, for another environment that has nothing in it
``basis``             10     What an outcome rests on, written down for the fast exit
``workshop``          10     The composition root: puts the things together
``session``           9      What a command is given that needs the cache or an interpreter
``resolve``           9      ``InstallRequest`` to ``Resolution``, through resolvelib; conflicts in sentences
``plan``              9      ``Resolution`` and installed distributions to ``Plan``; pure
``prepare``           9      ``Plan`` to ``PreparedWheel`` s, many at once
``install``           9      ``PreparedWheel`` s into the environment, as one transaction, to ``Outcome``
``report``            9      ``Outcome``, events and errors to the terminal; the only place that imports rich
``sources``           8      The kinds of thing miniuv can install: index, git, directory, archive
``backend``           7      PEP 517 and PEP 660: build environments and hooks
``git``               6      Repositories: database, checkout, build copy
``index``             6      The Simple API: parse, select files with reasons, download
``environment``       6      The target Python: discovery, facts, what is installed, ``venv``
``project``           5      ``pyproject.toml``, requirement files, core metadata to facts; pure
``archive``           5      Validating zip and tar readers
``cache``             4      Layout, locks, leases, jobs done once
``workers``           3      Forked copies of this process that each do one piece of work at a time
``process``           3      The injected ``Runner``; the only place that imports ``subprocess``
``settings``          3      Every setting, resolved once into one frozen object
``reporter``          2      ``Reporter``: events as no-op methods; every room above may tell it things
``models``            1      Frozen nouns, one file each; no I/O
``state``             1      The state file of an environment, which the fast exit reads
``errors``            0      ``MiniuvError`` and its tree
``stamps``            0      What a file was like, in one line, and whether it still is so
``hashes``            0      Digests of small texts, without OpenSSL
``names``             0      What files and folders are called that more than one room looks for
``values``            0      Classes of values, as ``dataclasses`` makes them, in a small part of the time
====================  =====  ================================================================================
"""

__version__ = "0.1.0"
