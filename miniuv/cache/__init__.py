"""Layout, locks, leases, and jobs that are done once."""
