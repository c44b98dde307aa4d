"""What miniuv rests on, looked at piece by piece: nothing is changed by it, and nothing that is broken ends it."""
